"""Lists of images: which images a measurement is of, each by its key and its label."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, StringConstraints, ValidationError, model_validator

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, pretty_json, versioned

SCHEMA: Literal[1] = 1

#: Characters that end a line, move a cursor or are no text at all.
UNWRITABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: Largest number of characters of a value to slice by. The value becomes part of a line.
LONGEST = 100
#: sha256 of an image's pixels, or of its file's bytes in a folder. It does not depend on the image's name or place.
Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def unfit(values: Iterable[str]) -> str | None:
    """Return the first value that cannot be the name of a slice, escaped and shortened. Returns None when all can."""
    odd = next((one for one in values if len(one) > LONGEST or UNWRITABLE.search(one)), None)
    return None if odd is None else f"{odd[:LONGEST]!a}{'...' if len(odd) > LONGEST else ''}"


def check_fit(source: object, column: str, values: Iterable[str]) -> None:
    """Raise RobustnessError, naming the file the values are from, when a value cannot be the name of a slice."""
    if (odd := unfit(values)) is not None:
        raise RobustnessError(f"{source}: {column}: {odd} is no name of a slice: should be a short line of text")


class ImageSetId(Record):
    """Identifies an image set by the number of its images and the digest of its list."""

    count: NonNegativeInt
    digest: str


class ImageList(Record):
    """Lists the images of a set, in the set's order.

    A suite keeps each list once, however many measurements are of its images.
    """

    keys: list[Key]
    labels: list[Annotated[int, Field(ge=0, lt=2**31)]]
    columns: dict[str, list[str]] = Field(
        default={},
        exclude_if=lambda columns: not columns,
        description="of a run: what else is known of each image, to slice by; not of the digest, and in no baseline",
    )

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.keys) != len(self.labels):
            raise ValueError(f"{len(self.keys)} keys, but {len(self.labels)} labels")
        for name, values in self.columns.items():
            if len(values) != len(self.keys):
                raise ValueError(f"{len(self.keys)} keys, but {len(values)} values of {name}")
            if (odd := unfit(values)) is not None:
                raise ValueError(f"{name}: {odd} is no name of a slice")
        return self

    @property
    def digest(self) -> str:
        """Return the digest of the keys and labels in their order, as 64 hexadecimal digits."""
        hasher = sha256()
        for key, label in zip(self.keys, self.labels, strict=True):
            hasher.update(f"{key} {label}\n".encode())
        return hasher.hexdigest()

    @property
    def identity(self) -> ImageSetId:
        return ImageSetId(count=len(self.keys), digest=self.digest)

    def without_columns(self) -> Self:
        """Return the list without columns, as baselines keep it: another value in a column makes no other set."""
        return self.model_copy(update={"columns": {}})

    def to_json(self) -> str:
        """Return the text of the list's file: one line per array, and a newline at the end."""
        return pretty_json({"schema": SCHEMA, **self.model_dump()}, 2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a list from the text of its file.

        Raises RobustnessError, in one line, for anything ``to_json`` could not have written.
        """
        data = versioned(text, "list of images", SCHEMA)
        del data["schema"]
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None

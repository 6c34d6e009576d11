"""The manifest of an evidence bundle: which files it has, what they are of, and the verdict that it states."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, StringConstraints, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, pretty_json, versioned

SCHEMA: Literal[1] = 1
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class FileEntry(Record):
    """Records one file of a bundle: the SHA-256 of its bytes, and their number."""

    sha256: Digest
    size: NonNegativeInt

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(sha256=sha256(data).hexdigest(), size=len(data))


class Manifest(Record):
    """Records what a bundle holds.

    Attributes:
        suite: the suite's name. Its file lies at the top, as ``<suite>.toml``.
        plugin: the version of this package that made the bundle.
        versions: what the measurements say they were taken with: ``plugin``, ``torch``, ``attacks`` and ``device``.
        accept_removed_images: whether images of the baselines may be missing from the run.
        outcome: the stated verdict on the run: ``passed``, ``failed`` or ``unjudged``.
        cases: the stated status of each case.
        files: every file but the manifest itself, by its name in the bundle.
    """

    suite: str
    plugin: str
    versions: dict[str, list[str]]
    accept_removed_images: bool = False
    outcome: Literal["passed", "failed", "unjudged"]
    cases: dict[str, str]
    files: dict[str, FileEntry] = Field(description="by name")

    def to_json(self) -> str:
        """Return the text of the manifest's file, with sorted keys and a newline at the end."""
        return pretty_json({"schema": SCHEMA, **self.model_dump()}, 2) + "\n"

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the manifest's file, as 64 hexadecimal digits. It stands for all that it lists."""
        return sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a manifest. Raises RobustnessError, in one line, for anything ``to_json`` could not have written."""
        data: dict[str, Any] = versioned(text, "manifest of a bundle", SCHEMA)
        del data["schema"]
        try:
            manifest = cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None
        if manifest.to_json() != text:
            raise RobustnessError("not as it was written: was it edited by hand?")
        return manifest

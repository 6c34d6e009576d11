"""Measurements and their JSON form, as they are stored and sent. Plain data, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, PrivateAttr, ValidationError, model_validator

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Finite, Record, first_problem, is_none, pretty_json, versioned
from pytest_robustness.records.evidence import Aggregates, Evidence
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.image_list import ImageList, ImageSetId
from pytest_robustness.records.protocol import Protocol, from_version_1
from pytest_robustness.records.provenance import Provenance

SCHEMA: Literal[2] = 2
#: The cost of a backward in forwards. It is nearly the same for all convolutional networks.
BACKWARD = 2
#: Sections of a stored measurement after its head. The longest come last.
SECTIONS = ("images", "unselected", "timing", "protocol", "provenance", "findings", "evidence")


class Timing(Record):
    """Holds the time of an attack. Seconds are process CPU time on a CPU and device time on a GPU.

    A gradient unit is one forward and backward to the input of the same batch. Units are timed beside the attack only
    when the suite judges time by the clock. Otherwise they are null.
    """

    seconds_per_attempt: Finite | None
    gradient_units: Finite | None
    unit_spread: Finite | None = Field(description="relative, of units per image or of rounds, whichever is larger")
    attack_seconds: Finite = Field(default=0.0, description="of all rounds")
    rows: NonNegativeInt = Field(default=0, description="images computed in forwards, repeated ones included")
    gradient_rows: NonNegativeInt = Field(default=0, description="those of forwards that had a backward")
    padding: NonNegativeInt = Field(default=0, description="rows that were only repeated to fill a batch")
    rounds: NonNegativeInt = Field(default=0, description="parts of the attack that were timed")
    unit_seconds: Finite = Field(default=0.0, description="of all gradient units")
    unit_rows: NonNegativeInt = Field(default=0, description="images computed in them")
    peak_memory: NonNegativeInt | None = Field(
        default=None, exclude_if=is_none, description="bytes: of the GPU's tensors, or of the whole process on a CPU"
    )
    threads: PositiveInt | None = Field(
        default=None, exclude_if=is_none, description="of a CPU; waiting for one another costs CPU time too"
    )
    doubt: str | None = Field(default=None, description="why the time should not be judged")


class Estimate(Record):
    """Holds what a trial on a few images took, and what the case would take on all of them, in wall seconds."""

    seconds: Finite
    full_seconds: Finite
    images: PositiveInt = Field(description="all of them")


class Measurement(Record):
    """Holds the evidence of one case and all that is needed to read it. A baseline is a stored measurement."""

    schema_version: Literal[2] = Field(default=SCHEMA, alias="schema")
    case: str
    budget: NonNegativeInt | None = Field(description="gradient evaluations an image may cost; effort B + 1 is never")
    timing: Timing
    images: ImageSetId
    unselected: ImageSetId | None
    protocol: Protocol
    provenance: Provenance
    evidence: Evidence
    findings: list[Finding] | None = Field(
        default=None,
        exclude_if=is_none,
        description="of the masking checks; none at all: the model is right about too few images; null: not looked",
    )

    _lists: tuple[ImageList, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(self.evidence.correct) != self.images.count:
            raise ValueError(f"evidence of {len(self.evidence.correct)} images, not {self.images.count}")
        blind, chosen = self.evidence.unselected_correct, self.unselected
        if (None if blind is None else len(blind)) != (None if chosen is None else chosen.count):
            raise ValueError("evidence and protocol disagree about the unselected images")
        top_5 = self.evidence.unselected_top_5
        if top_5 is not None and (blind is None or len(top_5) != len(blind)):
            raise ValueError("top-5 and top-1 answers are not of the same unselected images")
        return self

    def at(self, images: Sequence[int], unselected: Sequence[int] = ()) -> Measurement:
        """Return the measurement of some images and some unselected ones, given by their places, in the given order."""
        part = {
            "evidence": self.evidence.at(images, unselected),
            "images": ImageSetId(count=len(images), digest=f"{self.images.digest}, a part"),
            "unselected": self.unselected
            and ImageSetId(count=len(unselected), digest=f"{self.unselected.digest}, a part"),
        }
        return self.model_copy(update=part)

    def with_lists(self, lists: Iterable[ImageList]) -> Measurement:
        """Return the same with the lists of its images at hand; they are no part of what is stored or compared."""
        with_them = self.model_copy()
        with_them._lists = tuple(lists)
        return with_them

    @property
    def lists(self) -> tuple[ImageList, ...]:
        """The lists of its images, where it was given them."""
        return self._lists

    @property
    def aggregates(self) -> Aggregates:
        return Aggregates.of(self.evidence)

    @property
    def has_success_rate(self) -> bool:
        """Return whether the share of successes says anything. It does not when the attack goes as far as it has to.

        An attack that looks for the smallest perturbation, without an ``eps`` it has to stay within, nearly always
        finds one. The exception is CW: its rate, at its fixed ``c``, has always been compared.
        """
        protocol = self.protocol
        return protocol.distance is None or "eps" in protocol.parameters or protocol.attack == "CW"

    @property
    def gradient_units(self) -> float | None:
        """Return the attack time of an attempt in gradient units: as timed, otherwise computed from the counted rows.

        Returns None when nothing was attacked, and when neither is known.
        """
        if self.timing.gradient_units is not None:
            return self.timing.gradient_units
        counted, totals = self.aggregates, self.timing
        if not counted.attempts:
            return None
        if counted.forwards is not None and counted.gradients is not None:
            forwards = counted.forwards + BACKWARD * counted.gradients
        else:
            forwards = (totals.rows + BACKWARD * totals.gradient_rows) / counted.attempts
        return round(forwards / (1 + BACKWARD), 4) or None

    @property
    def seconds(self) -> float | None:
        """Return the seconds that the whole attack took. Returns None when nothing was attacked."""
        each = self.timing.seconds_per_attempt
        return None if each is None else each * sum(self.evidence.correct)

    def to_json(self) -> str:
        """Return the text of the measurement's file.

        Aggregates come before the other sections and evidence comes last. Each array takes one line, keys are sorted,
        and there is a newline at the end.
        """
        data = self.model_dump()
        head = {key: data[key] for key in ("schema", "case", "budget")}
        sections = {
            **head,
            "aggregates": self.aggregates.model_dump(),
            "evidence_digest": self.evidence.digest,
            **{key: data[key] for key in SECTIONS if key in data},
        }
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {pretty_json(v, 4)}" for k, v in sections.items()) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a measurement from the text of its file.

        Raises RobustnessError, in one line, for anything ``to_json`` could not have written.
        """
        data = upgraded(versioned(text, "measurement", SCHEMA, oldest=1))
        stored, digest = data.pop("aggregates", None), data.pop("evidence_digest", None)
        try:
            measurement = cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None
        if stored != measurement.aggregates.model_dump() or digest != measurement.evidence.digest:
            raise RobustnessError("evidence and aggregates disagree: was it edited by hand?")
        return measurement


def upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Convert a stored measurement to the form that this version writes.

    In schema 1 image sets, batch size and row floor were part of every protocol, and sets had no list of images. What
    could not be compared with such a measurement before cannot be compared with it now.
    """
    if data["schema"] == SCHEMA:
        return data
    try:
        provenance, timing = dict(data["provenance"]), dict(data["timing"])
        protocol, moved = from_version_1(data["protocol"])
    except (KeyError, TypeError, ValueError) as error:
        raise RobustnessError(f"{error}: missing in a measurement of schema 1") from None
    provenance["row_floor"] = moved.pop("row_floor")
    timing.pop("gradients", None)
    changed = {"schema": SCHEMA, **moved, "protocol": protocol, "provenance": provenance, "timing": timing}
    return data | changed

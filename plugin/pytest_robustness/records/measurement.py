"""What is stored and sent: protocols, measurements and their JSON form. Plain data, no torch."""

from __future__ import annotations

import json
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Finite, Record, first_problem, is_none, pretty_json, versioned
from pytest_robustness.records.evidence import Aggregates, Evidence
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance

SCHEMA: Literal[1] = 1


class Timing(Record):
    """Attack time. Seconds are process CPU time on a CPU and device time on a GPU.

    A gradient unit is one forward and backward to the input of the same batch, timed beside the attack.
    """

    seconds_per_attempt: Finite | None
    gradient_units: Finite | None
    unit_spread: Finite | None = Field(description="relative, of units per image or of rounds, whichever is larger")
    gradients: Finite = Field(description="gradient evaluations of a batch, averaged over batches")
    peak_memory: NonNegativeInt | None = Field(
        default=None, exclude_if=is_none, description="bytes: of the GPU's tensors, or of the whole process on a CPU"
    )
    threads: PositiveInt | None = Field(
        default=None, exclude_if=is_none, description="of a CPU; waiting for one another costs CPU time too"
    )
    doubt: str | None = Field(default=None, description="why the time should not be judged")


class Estimate(Record):
    """What a trial on a few images tells of a case on all of them, in wall seconds."""

    seconds: Finite
    full_seconds: Finite
    images: PositiveInt = Field(description="all of them")


class Measurement(Record):
    """The evidence of one case with all that is needed to read it. A baseline is a stored measurement."""

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    case: str
    budget: NonNegativeInt | None = Field(description="gradient evaluations an image may cost; effort B + 1 is never")
    timing: Timing
    protocol: Protocol
    provenance: Provenance
    evidence: Evidence

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(self.evidence.correct) != self.protocol.images.count:
            raise ValueError(f"evidence of {len(self.evidence.correct)} images, not {self.protocol.images.count}")
        blind, chosen = self.evidence.unselected_correct, self.protocol.unselected
        if (None if blind is None else len(blind)) != (None if chosen is None else chosen.count):
            raise ValueError("evidence and protocol disagree about the unselected images")
        top_5 = self.evidence.unselected_top_5
        if top_5 is not None and (blind is None or len(top_5) != len(blind)):
            raise ValueError("top-5 and top-1 answers are not of the same unselected images")
        return self

    @property
    def aggregates(self) -> Aggregates:
        return Aggregates.of(self.evidence)

    @property
    def seconds(self) -> float | None:
        """All that the attack took; None where nothing was attacked."""
        each = self.timing.seconds_per_attempt
        return None if each is None else each * sum(self.evidence.correct)

    def to_json(self) -> str:
        """Aggregates first, evidence last, one array a line, sorted keys, newline at the end."""
        data = self.model_dump()
        head = {key: data[key] for key in ("schema", "case", "budget")}
        sections = {
            **head,
            "aggregates": self.aggregates.model_dump(),
            "evidence_digest": self.evidence.digest,
            **{key: data[key] for key in ("timing", "protocol", "provenance", "evidence")},
        }
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {pretty_json(v, 4)}" for k, v in sections.items()) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises RobustnessError, in one line, for anything ``to_json`` could not have written."""
        data = versioned(text, "measurement", SCHEMA)
        stored, digest = data.pop("aggregates", None), data.pop("evidence_digest", None)
        try:
            measurement = cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None
        if stored != measurement.aggregates.model_dump() or digest != measurement.evidence.digest:
            raise RobustnessError("evidence and aggregates disagree: was it edited by hand?")
        return measurement

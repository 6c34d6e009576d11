"""What happened to each image of a case, and the rates over them."""

from __future__ import annotations

from hashlib import sha256
from statistics import fmean
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, model_validator

from pytest_robustness.records.base import Finite, Record, is_none

#: Stored noise rates are rounded, and so is everything before it is judged.
NOISE_DIGITS = 6
Bit = Annotated[int, Field(ge=0, le=1)]
Noise = Annotated[float, Field(ge=0, le=2)]
Effort = Annotated[int, Field(ge=0, lt=2**31)]


class Evidence(Record):
    """What happened to each image, in the order of the image set.

    ``effort`` is null where there was no attempt and for attacks that cannot tell; B + 1 means never fooled.
    ``noise`` is null where there was no success.
    """

    correct: list[Bit]
    success: list[Bit]
    effort: list[Effort | None] | None
    noise: list[Noise | None]
    unselected_correct: list[Bit] | None
    unselected_top_5: list[Bit] | None = Field(default=None, exclude_if=is_none)

    @property
    def digest(self) -> str:
        """Rounded averages do not show every edit; this does."""
        return sha256(self.model_dump_json().encode()).hexdigest()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        lengths = {len(self.correct), len(self.success), len(self.noise)}
        if len(lengths) > 1 or (self.effort is not None and len(self.effort) not in lengths):
            raise ValueError("arrays of different lengths")
        for top_1, top_5 in zip(self.unselected_correct or (), self.unselected_top_5 or (), strict=False):
            if top_1 > top_5:
                raise ValueError("an unselected image is correct, but not among the first five")
        for i, (correct, success, noise) in enumerate(zip(self.correct, self.success, self.noise, strict=True)):
            if success and not correct:
                raise ValueError(f"image {i} is a success although it was wrong when clean")
            if bool(success) != (noise is not None):
                raise ValueError(f"image {i} has {'no ' if success else 'a '}noise rate although success is {success}")
            if self.effort is not None and (self.effort[i] is None) != (not correct):
                raise ValueError(f"image {i}: effort and attempt disagree")
        return self


class Aggregates(Record):
    """Rates over a case. None where nothing can be averaged."""

    images: NonNegativeInt
    attempts: NonNegativeInt
    successes: NonNegativeInt
    success_rate: Finite | None
    robust_accuracy: Finite | None
    noise_rate: Finite | None
    effort: Finite | None
    clean_accuracy: Finite | None
    top_5_accuracy: Finite | None = Field(default=None, exclude_if=is_none)

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        attempts, successes = sum(evidence.correct), sum(evidence.success)
        images = len(evidence.correct)
        return cls(
            images=images,
            attempts=attempts,
            successes=successes,
            success_rate=_mean(evidence.success, attempts),
            robust_accuracy=_mean([attempts - successes], images),
            noise_rate=_mean([value for value in evidence.noise if value is not None]),
            effort=_mean([value for value in evidence.effort or () if value is not None]),
            clean_accuracy=_mean(evidence.unselected_correct or ()),
            top_5_accuracy=_mean(evidence.unselected_top_5 or ()),
        )


def _mean(values: list[Any] | tuple[()], count: int | None = None) -> float | None:
    count = len(values) if count is None else count
    return round(fmean(values) * len(values) / count, NOISE_DIGITS) if count and values else None

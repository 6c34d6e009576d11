"""Evidence: what happened to each image of a case, and the rates over the images."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from statistics import fmean, median
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, model_validator

from pytest_robustness.records.base import Finite, Record, is_none

#: Digits to which noise rates are rounded when they are stored. All values are rounded before they are judged.
NOISE_DIGITS = 6
Bit = Annotated[int, Field(ge=0, le=1)]
Noise = Annotated[float, Field(ge=0, le=2)]
Effort = Annotated[int, Field(ge=0, lt=2**31)]


Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Work = Annotated[int, Field(ge=0, lt=2**62)]
#: Arrays with one value per attacked image, and arrays with one value per unselected image.
ATTACKED = ("correct", "success", "effort", "noise", "distance", "forwards", "gradients", "fooled_by", "pixels")
UNSELECTED = ("unselected_correct", "unselected_top_5")


class Evidence(Record):
    """Records what happened to each image, in the order of the image set.

    Attributes:
        correct: whether the model is right about the clean image. Only then is the image attacked: it is an attempt.
        success: whether the attack's answer fools the model. For an attack that looks for the smallest perturbation and
            has no epsilon: whether it found a perturbation that fools the model.
        effort: gradient evaluations until the model is first fooled, B + 1 when it never is; null without an attempt.
            None when the attack cannot tell.
        noise: 1 - SSIM of the attack's answer; null without a success.
        distance: norm of the attack's answer minus the clean image; null when no answer fools the model. None when the
            attack does not look for small perturbations.
        forwards, gradients: rows computed for the image, forwards and backwards; null without an attempt. None when the
            rows of the attack are only counted as a whole.
        fooled_by: for an ensemble, the number of the member that fooled the model, from 0; null without a success.
        pixels: for a corruption, the digest of the corrupted image; null without an attempt.
        unselected_correct, unselected_top_5: whether the model is right about each of the images that were chosen
            blindly, by its first answer and by its first five. None when the suite has no such images.
    """

    correct: list[Bit]
    success: list[Bit]
    effort: list[Effort | None] | None
    noise: list[Noise | None]
    distance: list[Distance | None] | None = Field(default=None, exclude_if=is_none)
    forwards: list[Work | None] | None = Field(default=None, exclude_if=is_none)
    gradients: list[Work | None] | None = Field(default=None, exclude_if=is_none)
    fooled_by: list[Work | None] | None = Field(default=None, exclude_if=is_none)
    pixels: list[str | None] | None = Field(default=None, exclude_if=is_none)
    unselected_correct: list[Bit] | None
    unselected_top_5: list[Bit] | None = Field(default=None, exclude_if=is_none)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the evidence. It shows every edit, which rounded averages do not."""
        return sha256(self.model_dump_json().encode()).hexdigest()

    def at(self, images: Sequence[int], unselected: Sequence[int] = ()) -> Evidence:
        """Return the evidence of some images and some unselected ones, given by their places, in the given order."""
        places = dict.fromkeys(ATTACKED, images) | dict.fromkeys(UNSELECTED, unselected)
        given = {name: getattr(self, name) for name in places}
        kept = {name: None if values is None else [values[i] for i in places[name]] for name, values in given.items()}
        return self.model_copy(update=kept)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ATTACKED:
            values = getattr(self, name)
            if values is not None and len(values) != len(self.correct):
                raise ValueError("arrays of different lengths")
        for top_1, top_5 in zip(self.unselected_correct or (), self.unselected_top_5 or (), strict=False):
            if top_1 > top_5:
                raise ValueError("an unselected image is correct, but not among the first five")
        for i, (correct, success) in enumerate(zip(self.correct, self.success, strict=True)):
            if success and not correct:
                raise ValueError(f"image {i} is a success although it was wrong when clean")
            if bool(success) != (self.noise[i] is not None):
                raise ValueError(f"image {i} has {'no ' if success else 'a '}noise rate although success is {success}")
            for name in ("effort", "forwards", "gradients", "pixels"):
                values = getattr(self, name)
                if values is not None and (values[i] is None) != (not correct):
                    raise ValueError(f"image {i}: {name} and attempt disagree")
            if self.fooled_by is not None and (self.fooled_by[i] is None) != (not success):
                raise ValueError(f"image {i}: fooled_by and success disagree")
            if self.distance is not None and success and self.distance[i] is None:
                raise ValueError(f"image {i} is a success without a distance")
        return self


class Aggregates(Record):
    """Holds the rates over a case. A rate is None when there is nothing to average."""

    images: NonNegativeInt
    attempts: NonNegativeInt
    successes: NonNegativeInt
    success_rate: Finite | None
    robust_accuracy: Finite | None
    noise_rate: Finite | None
    effort: Finite | None
    distance: Finite | None = Field(default=None, exclude_if=is_none, description="median")
    forwards: Finite | None = Field(default=None, exclude_if=is_none, description="rows an attempt, mean")
    gradients: Finite | None = Field(default=None, exclude_if=is_none, description="rows an attempt, mean")
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
            distance=_median([value for value in evidence.distance or () if value is not None]),
            forwards=_mean([value for value in evidence.forwards or () if value is not None]),
            gradients=_mean([value for value in evidence.gradients or () if value is not None]),
            clean_accuracy=_mean(evidence.unselected_correct or ()),
            top_5_accuracy=_mean(evidence.unselected_top_5 or ()),
        )


def _mean(values: list[Any] | tuple[()], count: int | None = None) -> float | None:
    count = len(values) if count is None else count
    return round(fmean(values) * len(values) / count, NOISE_DIGITS) if count and values else None


def _median(values: list[float]) -> float | None:
    return significant(median(values)) if values else None


def significant(value: float) -> float:
    """Return a value rounded to six significant digits, as distances are stored."""
    return float(f"{value:.6g}")

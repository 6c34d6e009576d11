"""The gallery of a case: a few images before and after the attack. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints

from pytest_robustness.records.base import Record
from pytest_robustness.records.evidence import Evidence

#: Of each kind, so many are shown.
SHOWN = 3

Why = Literal["typical", "worst"]
Png = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Confidence = Annotated[float, Field(ge=0, le=1)]


class Guess(Record):
    """What the model takes an image for, and how sure it is: the softmax of its logits, in [0, 1]."""

    label: str
    confidence: Confidence
    truth: Confidence = Field(description="confidence in the true label")


class Picture(Record):
    """One image: clean, adversarial, and the perturbation around mid-grey. PNG, base64."""

    image: int = Field(description="id of the image in the image set")
    why: Why
    label: str = Field(description="the true label")
    before: Guess
    after: Guess
    noise_rate: float
    effort: NonNegativeInt | None = Field(description="gradient evaluations until the image was fooled")
    clean: Png
    adversarial: Png
    perturbation: Png


class Gallery(Record):
    """The pictures of one case. ``factor`` is what its perturbations are multiplied by to be seen."""

    case: str
    factor: float = 1.0
    size: tuple[int, int] = (0, 0)  # height, width
    pictures: list[Picture] = Field(default=[])
    problem: str | None = Field(default=None, description="why there are none")


def chosen(evidence: Evidence) -> dict[int, Why]:
    """Positions of the images to show, by rule: those fooled with the least noise, and those nearest to the median.

    Of equal noise the one that took less effort goes first, then the one that comes first.
    """
    noises = [(noise, evidence.effort[i] if evidence.effort else 0, i) for i, noise in _fooled(evidence)]
    if not noises:
        return {}
    middle = median(noise for noise, _, _ in noises)
    worst = [i for *_, i in sorted(noises, key=lambda one: (one[0], one[1] or 0, one[2]))[:SHOWN]]
    others = [one for one in noises if one[2] not in worst]
    typical = [i for *_, i in sorted(others, key=lambda one: (abs(one[0] - middle), one[1] or 0, one[2]))[:SHOWN]]
    kinds: list[tuple[Why, list[int]]] = [("typical", typical), ("worst", worst)]
    return {image: why for why, images in kinds for image in images}


def amplification(largest: float) -> float:
    """The factor that makes a perturbation of this size visible around mid-grey without leaving [0, 1].

    1, 2 or 5 times a power of ten, at least 1. A perturbation of epsilon is a little more than that, by rounding.
    """
    factors = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
    return float(max((factor for factor in factors if factor * largest <= 0.501), default=1))


def named(label: int, classes: Sequence[str]) -> str:
    """What a person calls a label."""
    return classes[label] if label < len(classes) else f"class {label}"


def _fooled(evidence: Evidence) -> list[tuple[int, float]]:
    return [(i, noise) for i, noise in enumerate(evidence.noise) if noise is not None]

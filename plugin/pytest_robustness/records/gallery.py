"""The gallery of a case: a few images before and after the attack. Plain data, no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints

from pytest_robustness.records.base import Record

Why = Literal["lost", "won", "typical", "worst"]
Png = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Confidence = Annotated[float, Field(ge=0, le=1)]


class Guess(Record):
    """Holds the label a model gives an image, and its confidence: the softmax of its logits, in [0, 1]."""

    label: str
    confidence: Confidence
    truth: Confidence = Field(description="confidence in the true label")


class Picture(Record):
    """Holds one image as base64 PNG: clean, adversarial, and the perturbation around mid-grey."""

    image: int = Field(description="id of the image in the image set")
    why: Why = Field(description="lost, won: against the baseline; worst, typical: by the noise of this run")
    label: str = Field(description="the true label")
    before: Guess
    after: Guess
    noise_rate: float | None = Field(description="null for an image that withstood")
    effort: NonNegativeInt | None = Field(description="gradient evaluations until the image was fooled")
    clean: Png
    adversarial: Png
    perturbation: Png


class Gallery(Record):
    """Holds the pictures of one case. Its perturbations are multiplied by ``factor`` so that they can be seen."""

    case: str
    factor: float = 1.0
    size: tuple[int, int] = (0, 0)  # height, width
    pictures: list[Picture] = Field(default=[])
    problem: str | None = Field(default=None, description="why there are none")

"""Verdicts: what the gate says, as plain data."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, NonNegativeInt

from pytest_robustness.records.base import Record

#: The outcome of a metric.
Outcome = Literal["same", "improved", "regressed", "inconclusive", "suspicious", "not judged", "over limit"]


class Status(StrEnum):
    """Names what became of a case, as it is shown."""

    SAME = "same"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    SUSPICIOUS = "suspicious"
    OVER_LIMIT = "over limit"
    NOT_JUDGED = "not judged"
    NO_BASELINE = "no baseline"
    NOT_COMPARABLE = "not comparable"
    DRIFTED = "drifted"
    ERODED = "eroded"
    UNCHANGED = "unchanged, not measured"
    TRIAL = "trial"
    SKIPPED = "skipped"
    ERROR = "error"
    CRASHED = "crashed"


class MetricVerdict(Record):
    """Holds the verdict on one metric: its value before and after, and the test.

    ``change`` is in points for rates and accuracies (after - before), relative for the others (after / before - 1), and
    so is its 95 % ``interval``. ``p_value`` is one-sided, in the direction of the change, which ``worse`` tells;
    ``family_p_value`` is its rank among all that is said of the model, to be compared with the model's alpha. ``fails``
    says whether it fails the case, ``text`` says all with the numbers, without the case's name. ``record_anew``: the
    baseline's own value is too unsure for any run to be held against it, so an update replaces it.
    """

    metric: str
    outcome: Outcome
    text: str
    fails: bool = False
    before: float | None = None
    after: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    family_p_value: float | None = None
    images: int | None = None
    lost: int | None = None
    won: int | None = None
    worse: bool = False
    record_anew: bool = False

    @property
    def moved(self) -> bool:
        """Return whether the value left its tolerance."""
        return self.outcome in ("improved", "regressed", "inconclusive", "suspicious")


class SetChange(Record):
    """Says how the images differ from the baseline's. Only those that both have are compared.

    Attributes:
        new, missing: attacked images that the baseline has not, and those of the baseline that are not there any more.
        new_unselected, missing_unselected: the same of the images for clean accuracy.
        other_pixels: images whose corrupted pixels differ from the baseline's.
        named: the first of the missing images.
    """

    new: NonNegativeInt = 0
    missing: NonNegativeInt = 0
    new_unselected: NonNegativeInt = 0
    missing_unselected: NonNegativeInt = 0
    other_pixels: NonNegativeInt = 0
    named: list[str] = Field(default=[])

    @property
    def grown(self) -> bool:
        """Return whether there are images that the baseline does not have."""
        return self.new + self.new_unselected > 0

    @property
    def removed(self) -> int:
        """Return how many images of the baseline are missing, including the unselected ones."""
        return self.missing + self.missing_unselected

    @property
    def notes(self) -> list[str]:
        """Return what a reader should know, each in a few words. The list is empty when the images are the same."""
        told = (
            (self.new, "", NEW),
            (self.new_unselected, "unselected ", NEW),
            (self.missing, "", ACCEPTED),
            (self.missing_unselected, "unselected ", ACCEPTED),
            (self.other_pixels, "corrupted ", f"not comparable: {OTHER_PIXELS}"),
        )
        return [count_images(count, kind, text) for count, kind, text in told if count]


NEW = "{count} new {images}, not in the baseline, {are} not compared"
ACCEPTED = "{count} {images} of the baseline {are} missing, which was accepted"
OTHER_PIXELS = "{count} {images} {have} other pixels: another Pillow or platform"


def count_images(count: int, kind: str, text: str) -> str:
    """Fill in a text about so many images of a kind, in the singular or the plural."""
    plural = ("image", "is", "has") if count == 1 else ("images", "are", "have")
    return text.format(count=count, images=f"{kind}{plural[0]}", are=plural[1], have=plural[2])


class Verdict(Record):
    """Holds what is said about one case, or about several together: passed or failed, and why in one line."""

    case: str
    passed: bool
    status: Status
    reason: str
    metrics: list[MetricVerdict] = Field(default=[])
    changes: list[str] = Field(default=[], description="of the model since its baseline")
    images: SetChange = Field(default=SetChange(), description="since the baseline")
    doubts: list[str] = Field(default=[], description="masking checks that the model fails, each with its numbers")

    @property
    def moved(self) -> list[MetricVerdict]:
        return [metric for metric in self.metrics if metric.moved]

    def metric(self, name: str) -> MetricVerdict | None:
        return next((metric for metric in self.metrics if metric.metric == name), None)

"""What the gate says, as data."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from pytest_robustness.records.base import Record

#: Of a metric.
Outcome = Literal["same", "improved", "regressed", "inconclusive", "not judged", "over limit"]


class Status(StrEnum):
    """What became of a case, as it is shown."""

    SAME = "same"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
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
    """One metric, before and after.

    ``change`` is in points for rates and accuracies (after - before), relative for the others (after / before - 1), and
    so is its 95 % ``interval``. ``p_value`` is one-sided, in the direction of the change. ``worse`` says in which
    direction that is, ``fails`` whether it fails the case, ``text`` says all with the numbers, without the case's name.
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
    images: int | None = None
    lost: int | None = None
    won: int | None = None
    worse: bool = False

    @property
    def moved(self) -> bool:
        """Whether the value left its tolerance."""
        return self.outcome in ("improved", "regressed", "inconclusive")


class Verdict(Record):
    """What is said of one case, or of several together: passed or failed, and why in one line."""

    case: str
    passed: bool
    status: Status
    reason: str
    metrics: list[MetricVerdict] = Field(default=[])
    changes: list[str] = Field(default=[], description="of the model since its baseline")

    @property
    def moved(self) -> list[MetricVerdict]:
        return [metric for metric in self.metrics if metric.moved]

    def metric(self, name: str) -> MetricVerdict | None:
        return next((metric for metric in self.metrics if metric.metric == name), None)

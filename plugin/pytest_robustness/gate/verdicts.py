"""What the gate says, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["same", "improved", "regressed", "inconclusive", "not judged"]


class MetricVerdict(BaseModel):
    """One metric, before and after.

    ``change`` is in points for rates and accuracies (after - before), relative for the others (after / before - 1).
    ``worse`` says in which direction, ``text`` says all with the numbers, without the case's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    metric: str
    outcome: Outcome
    text: str
    before: float | None = None
    after: float | None = None
    change: float | None = None
    p_value: float | None = None
    worse: bool = False

    @property
    def moved(self) -> bool:
        """Whether the value left its tolerance."""
        return self.outcome in ("improved", "regressed", "inconclusive")


class Verdict(BaseModel):
    """What is said of one case: passed or failed, and why in one line."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    case: str
    passed: bool
    word: str
    reason: str
    metrics: list[MetricVerdict] = []

    @property
    def moved(self) -> list[MetricVerdict]:
        return [metric for metric in self.metrics if metric.moved]

    def metric(self, name: str) -> MetricVerdict | None:
        return next((metric for metric in self.metrics if metric.metric == name), None)

"""One metric at a time: paired evidence, a tolerance and a test. A file each; ``METRICS`` has them in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pytest_robustness.gate.metrics.clean_accuracy import compare_clean_accuracy
from pytest_robustness.gate.metrics.distance import compare_distance
from pytest_robustness.gate.metrics.effort import compare_effort
from pytest_robustness.gate.metrics.noise_rate import compare_noise_rate
from pytest_robustness.gate.metrics.paired import attempted, percent, points
from pytest_robustness.gate.metrics.rules import ROUNDING, Rules
from pytest_robustness.gate.metrics.success_rate import (
    compare_success_rate,
    exceeded_limit,
    pooled,
    success_differences,
)
from pytest_robustness.gate.metrics.time import ALLOWED_REACH, LEAST_ROUNDS, compare_time, time_reach
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict

__all__ = [
    "ALLOWED_REACH",
    "LEAST_ROUNDS",
    "METRICS",
    "ROUNDING",
    "Rules",
    "attempted",
    "compare",
    "exceeded_limit",
    "percent",
    "points",
    "pooled",
    "success_differences",
    "time_reach",
]

METRICS: Sequence[Callable[[Measurement, Measurement, Rules], Iterable[MetricVerdict]]] = (
    compare_success_rate,
    compare_distance,
    compare_effort,
    compare_noise_rate,
    compare_time,
    compare_clean_accuracy,
)


def compare(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    """All metrics that both measurements of the same images have, in the order they are shown."""
    return [metric for one in METRICS for metric in one(then, now, rules)]

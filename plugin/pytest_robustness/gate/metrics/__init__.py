"""Metrics, each in a file of its own: each compares paired evidence by a tolerance and a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pytest_robustness.gate.metrics.clean_accuracy import compare_clean_accuracy, shown_clean_accuracy
from pytest_robustness.gate.metrics.distance import compare_distance, distance_differences
from pytest_robustness.gate.metrics.effort import compare_effort, effort_differences
from pytest_robustness.gate.metrics.extra import compare_extra, extra_metrics, extra_values
from pytest_robustness.gate.metrics.noise_rate import compare_noise_rate, noise_differences
from pytest_robustness.gate.metrics.paired import attempted, percent, points
from pytest_robustness.gate.metrics.robust_accuracy import compare_robust_accuracy, robust, robust_differences
from pytest_robustness.gate.metrics.rules import ROUNDING, Rules
from pytest_robustness.gate.metrics.success_rate import (
    compare_success_rate,
    exceeded_limit,
    pooled,
    success_differences,
)
from pytest_robustness.gate.metrics.time import ALLOWED_REACH, LEAST_ROUNDS, compare_time, time_reach
from pytest_robustness.gate.metrics.work import compare_work, work_differences
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict

__all__ = [
    "ALLOWED_REACH",
    "DIFFERENCES",
    "LEAST_ROUNDS",
    "METRICS",
    "ROUNDING",
    "Rules",
    "attempted",
    "compare",
    "compare_clean_accuracy",
    "compare_distance",
    "compare_robust_accuracy",
    "compare_success_rate",
    "distance_differences",
    "exceeded_limit",
    "extra_metrics",
    "extra_values",
    "percent",
    "points",
    "pooled",
    "robust",
    "robust_differences",
    "success_differences",
    "time_reach",
]

Compare = Callable[[Measurement, Measurement, Rules], Iterable[MetricVerdict]]
#: The metrics of an image's own values, in the order they are shown.
METRICS: Mapping[str, Compare] = {
    "success rate": compare_success_rate,
    "robust accuracy": compare_robust_accuracy,
    "distance": compare_distance,
    "effort": compare_effort,
    "noise rate": compare_noise_rate,
}
#: For each metric that a test judges: returns how much each image got worse, as a whole number, by its place.
DIFFERENCES: Mapping[str, Callable[[Measurement, Measurement], dict[int, int]]] = {
    "success rate": success_differences,
    "robust accuracy": robust_differences,
    "distance": distance_differences,
    "effort": effort_differences,
    "noise rate": noise_differences,
    "time": work_differences,
}


def compare(baseline: Measurement, current: Measurement, rules: Rules) -> list[MetricVerdict]:
    """Compare all metrics that both measurements of the same images have, in the order they are shown.

    Time is judged by work, unless the suite wants the clock. Clean accuracy is only shown, because it is the model's
    and is judged once for all of its cases.
    """
    found = [metric for one in METRICS.values() for metric in one(baseline, current, rules)]
    if rules.clock:
        found += compare_time(baseline, current, rules)
    else:
        efforts = next((metric for metric in found if metric.metric == "effort"), None)
        found.append(compare_work(baseline, current, rules, efforts))
    return [*found, *compare_extra(baseline, current, rules), *shown_clean_accuracy(baseline, current, rules)]

"""Clean accuracy: of the images that were chosen blindly, how many the model gets right."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_robustness.gate.metrics.paired import rate
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


def shown_clean_accuracy(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare clean accuracy for a single case, which never fails by it.

    Clean accuracy is the model's, and is judged when all of its cases ran.
    """
    for one in compare_clean_accuracy(baseline, current, rules):
        yield one.model_copy(update={"fails": False})


def compare_clean_accuracy(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare clean accuracy. Yields nothing when one of the runs has no images that were chosen blindly."""
    before, after = baseline.evidence.unselected_correct, current.evidence.unselected_correct
    if before is not None and after is not None:
        pairs = list(zip(before, after, strict=True))
        yield rate("clean accuracy", pairs, rules.tolerances.clean_accuracy, rules, higher_is_worse=False)

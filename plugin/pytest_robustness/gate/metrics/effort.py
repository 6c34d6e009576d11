"""Effort: gradient evaluations until the attack first succeeds."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_robustness.gate.metrics.paired import fallen, mean
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


def effort_differences(baseline: Measurement, current: Measurement) -> dict[int, int]:
    """Return how many fewer gradients each image took, by its place among the compared images."""
    before, after = baseline.evidence.effort, current.evidence.effort
    if before is None or after is None or current.budget == 1:
        return {}
    return fallen(before, after, 1)


def compare_effort(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare effort. Yields nothing for an attack of a single step, which costs every image the same."""
    before, after = baseline.evidence.effort, current.evidence.effort
    if before is not None and after is not None and current.budget != 1:
        # "never" counts as B + 1, the least it can be, on both sides
        yield mean("effort", before, after, 1, rules.tolerances.effort, rules, "{:.2f}".format)

"""Robust accuracy: of all images, how many are right when clean and not fooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_robustness.gate.metrics.paired import rate
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


def robust(one: Measurement) -> Sequence[int]:
    """Return 1 for each image that is right when clean and not fooled, and 0 for any other."""
    return [int(right and not fooled) for right, fooled in zip(one.evidence.correct, one.evidence.success, strict=True)]


def robust_differences(baseline: Measurement, current: Measurement) -> dict[int, int]:
    """Return 1 for an image that was robust and is not, -1 for the opposite, by its place among the compared ones.

    Returns no differences when the same images are attempts in both runs: then the metric is the success rate's
    opposite, image by image. Which images are attempts in one run only does not depend on which of the two comes first,
    so that does not choose hypotheses by their outcome.
    """
    if not _told_apart(baseline, current):
        return {}
    pairs = enumerate(zip(robust(baseline), robust(current), strict=True))
    return {i: before - after for i, (before, after) in pairs}


def compare_robust_accuracy(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare robust accuracy, if the attack has a success rate and the runs do not attack the same images.

    An image that the model has become wrong about is no attempt any more, so the success rate does not see it.
    """
    if _told_apart(baseline, current) and any(current.evidence.correct):
        pairs = list(zip(robust(baseline), robust(current), strict=True))
        yield rate("robust accuracy", pairs, rules.tolerances.robust_accuracy, rules, higher_is_worse=False)


def _told_apart(baseline: Measurement, current: Measurement) -> bool:
    return (
        baseline.has_success_rate and current.has_success_rate and baseline.evidence.correct != current.evidence.correct
    )

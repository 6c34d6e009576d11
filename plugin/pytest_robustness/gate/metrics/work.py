"""Work: the rows computed for an image until the attack was done with it. An attack's time comes from its work.

Work is exact, and the same at any load, on any machine and in any batch. A clock can only add noise to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_robustness.gate.metrics.effort import effort_differences
from pytest_robustness.gate.metrics.paired import fallen, mean, not_judged
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.measurement import BACKWARD, Measurement
from pytest_robustness.records.verdict import MetricVerdict


def work_differences(baseline: Measurement, current: Measurement) -> dict[int, int]:
    """Return how much less work each image took, by its place among the compared ones.

    Returns no differences when work is not known.
    """
    before, after = _work(baseline), _work(current)
    return {} if before is None or after is None else fallen(before, after, 1)


def compare_work(
    baseline: Measurement, current: Measurement, rules: Rules, efforts: MetricVerdict | None
) -> MetricVerdict:
    """Return the verdict on an attack's time, from the work of each image.

    Args:
        efforts: the verdict on effort. When work is effort and something that is the same for all images, it is
            the twin of effort, and the verdict on effort is taken.
    """
    name, before, after = "time", _work(baseline), _work(current)
    if not current.aggregates.attempts:
        return not_judged(name, "nothing was attacked")
    if before is None or after is None:
        return not_judged(
            name, f"the attack is only counted as a whole, {_totals(baseline)} -> {_totals(current)} an attempt"
        )
    told = f"{_each(current)} an attempt"
    differences = work_differences(baseline, current)
    if not differences:
        return not_judged(name, "no image can be compared")
    if not any(differences.values()):
        return MetricVerdict(
            metric=name, outcome="same", text=f"time: work is the same, {told}", images=len(differences)
        )
    change = f"{_each(baseline)} -> {told}"
    if efforts is not None and _is_twin(differences, effort_differences(baseline, current)):
        twin = {"metric": name, "text": f"time as effort: work {change}", "fails": False}
        return efforts.model_copy(update=twin)
    verdict = mean(name, before, after, 1, rules.tolerances.time, rules, "{:.2f}".format)
    return verdict.model_copy(update={"text": f"{verdict.text}; work {change}"})


def _work(one: Measurement) -> Sequence[int | None] | None:
    """Return the work of each image, in forwards. Returns None when it is not known image by image."""
    forwards, gradients = one.evidence.forwards, one.evidence.gradients
    if forwards is None or gradients is None:
        return None
    pairs = zip(forwards, gradients, strict=True)
    return [None if f is None or g is None else f + BACKWARD * g for f, g in pairs]


def _is_twin(work: dict[int, int], effort: dict[int, int]) -> bool:
    """Return whether one is the other times a positive number, image by image."""
    if work.keys() != effort.keys():
        return False
    pairs = [(work[i], effort[i]) for i in work]
    if any(bool(w) != bool(e) for w, e in pairs):
        return False
    factors = {w / e for w, e in pairs if e}
    return len(factors) == 1 and min(factors) > 0


def _each(one: Measurement) -> str:
    rows = one.aggregates
    return f"{rows.forwards or 0:.2f} forwards and {rows.gradients or 0:.2f} gradients"


def _totals(one: Measurement) -> str:
    attempts = max(1, one.aggregates.attempts)
    return f"{one.timing.rows / attempts:.1f} rows"

"""Success rate: of the images that both runs attack, how many are fooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_robustness.gate.metrics.paired import attempted, nothing_right, points, rate, tested
from pytest_robustness.gate.metrics.rules import ROUNDING, Rules
from pytest_robustness.gate.statistics import pooled_change
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


def compare_success_rate(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare the success rate. Yields nothing for an attack that goes as far as it has to, and so always succeeds."""
    if not (baseline.has_success_rate and current.has_success_rate):
        return
    name, before, after = "success rate", baseline.evidence.success, current.evidence.success
    if useless := nothing_right(name, baseline, current):
        yield useless
        return
    pairs = [(before[i], after[i]) for i in attempted(baseline, current)]
    verdict = rate(name, pairs, rules.tolerances.success_rate, rules, higher_is_worse=True)
    robust_before, robust_after = baseline.aggregates.robust_accuracy or 0.0, current.aggregates.robust_accuracy or 0.0
    if verdict.outcome == "improved" and robust_after < robust_before:
        # fewer of the attempts succeed, but fewer images are right at all
        more = f", but robust accuracy fell {robust_before:.1%} -> {robust_after:.1%}"
        verdict = verdict.model_copy(update={"outcome": "inconclusive", "text": verdict.text + more})
    yield verdict


def exceeded_limit(current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Yield a verdict when the success rate exceeds the suite's absolute limit.

    The rate is of all images that were attacked, whatever the baseline is of.
    """
    found, most = current.aggregates.success_rate, rules.max_success_rate
    if current.has_success_rate and most is not None and found is not None and found > most + ROUNDING:
        said = f"success rate {found:.1%} is above max_success_rate, {most:.1%}"
        yield MetricVerdict(metric="limit", outcome="over limit", fails=True, worse=True, text=said)


def success_differences(baseline: Measurement, current: Measurement) -> dict[int, int]:
    """Return 1 for an image that is lost and -1 for one that is won, of those that are attempts in both runs."""
    return {i: current.evidence.success[i] - baseline.evidence.success[i] for i in attempted(baseline, current)}


def pooled(
    name: str, sums: Sequence[int], cases: int, comparisons: int, tolerance: float, rules: Rules
) -> MetricVerdict:
    """Judge per-image sums of differences in success over several cases."""
    change = sum(sums) / comparisons
    interval = pooled_change(sums, cases, comparisons)
    verdict = tested(name, sums, tolerance, rules, worsening=change)
    return verdict.model_copy(
        update={
            "text": f"{name} {points(change, interval)} on {len(sums)} images, {verdict.text}",
            "change": change,
            "interval": interval,
        }
    )

"""Distance: the norm of the smallest perturbation that fools the model, of attacks that look for it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean

from pytest_robustness.gate.metrics.paired import not_judged, nothing_right, percent, tested
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.gate.statistics import log_change
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict

#: Logarithms of ratios are tested in steps of 1 / SCALE.
SCALE = 10**6


def distance_differences(baseline: Measurement, current: Measurement) -> dict[int, int]:
    """Return how much nearer each image's boundary came, by the image's place among the compared ones.

    It is a logarithm, in steps of 1 / ``SCALE``.
    """
    return {i: -round(log * SCALE) for i, log in distance_logs(baseline, current).items()}


def distance_logs(baseline: Measurement, current: Measurement) -> dict[int, float]:
    """Return the logarithms of the ratios now / then, for images with a distance in both runs.

    A distance of 0 has no ratio, and is left out.
    """
    before, after = baseline.evidence.distance, current.evidence.distance
    if before is None or after is None:
        return {}
    return {i: math.log(b / a) for i, (a, b) in enumerate(zip(before, after, strict=True)) if a and b}


def compare_distance(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare distances by geometric means, and by the geometric mean of the images' ratios.

    So one image that is far off does not decide. Only images with a distance in both runs can be compared. Images with
    a distance in a single run are counted in the text, because nobody knows how much their distance changed.
    """
    before, after = baseline.evidence.distance, current.evidence.distance
    if before is None or after is None:
        return
    if not current.has_success_rate and (useless := nothing_right("distance", baseline, current)):
        yield useless
        return
    found = [(a or None, b or None) for a, b in zip(before, after, strict=True)]  # a distance of 0 has no ratio
    pairs = [(a, b) for a, b in found if a is not None and b is not None]
    alone = {
        "before": sum(b is None for a, b in found if a is not None),
        "now": sum(a is None for a, b in found if b is not None),
    }
    told = "".join(f", {count} found only {when}" for when, count in alone.items() if count)
    if not pairs:
        yield not_judged("distance", f"no image can be compared{told}")
        return
    logs = list(distance_logs(baseline, current).values())
    change = math.expm1(fmean(logs))
    interval = log_change(logs)
    nearer = distance_differences(baseline, current)
    verdict = tested("distance", list(nearer.values()), rules.tolerances.distance, rules, worsening=-change)
    middle_before, middle_after = (math.exp(fmean(map(math.log, values))) for values in zip(*pairs, strict=True))
    numbers = f"{percent(change, interval)} on {len(pairs)} images{told}, {verdict.text}"
    yield verdict.model_copy(
        update={
            "text": f"distance {middle_before:.3g} -> {middle_after:.3g} ({numbers})",
            "before": middle_before,
            "after": middle_after,
            "change": change,
            "interval": interval,
        }
    )

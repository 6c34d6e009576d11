"""Compares values of the same images: rates, and means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.gate.statistics import (
    Interval,
    images_to_settle,
    paired_rates,
    relative_change,
    sign_flip,
)
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict

Pairs = list[tuple[int, int]]


def attempted(baseline: Measurement, current: Measurement) -> list[int]:
    """Return the images that are attempts in both runs."""
    return [
        i for i, both in enumerate(zip(baseline.evidence.correct, current.evidence.correct, strict=True)) if all(both)
    ]


def rate(name: str, pairs: Pairs, tolerance: float, rules: Rules, *, higher_is_worse: bool) -> MetricVerdict:
    """Compare a share of the images. ``pairs`` has (before, after) for each image."""
    if not pairs:
        return not_judged(name, "no image can be compared")
    before, after = (fmean(values) for values in zip(*pairs, strict=True))
    sign = 1 if higher_is_worse else -1
    differences = [sign * (current - baseline) for baseline, current in pairs]
    both, up, down, neither = (pairs.count(pair) for pair in ((1, 1), (0, 1), (1, 0), (0, 0)))
    lost, won = differences.count(1), differences.count(-1)
    interval = paired_rates(both, up, down, neither)
    verdict = tested(name, differences, tolerance, rules, worsening=(lost - won) / len(pairs))
    flips = f"{lost} image{'' if lost == 1 else 's'} lost, {won} won"
    numbers = f"{points(after - before, interval)}, {flips}, {verdict.text}"
    return verdict.model_copy(
        update={
            "text": f"{name} {before:.1%} -> {after:.1%} ({numbers})"
            if up + down
            else f"{name} {after:.1%}, no image changed",
            "before": before,
            "after": after,
            "change": after - before,
            "interval": interval,
            "lost": lost,
            "won": won,
        }
    )


def fallen(before: Sequence[float | None], after: Sequence[float | None], scale: int) -> dict[int, int]:
    """Return how far each image's value fell, in steps of 1 / ``scale``, by place.

    Only images with a value in both runs are included.
    """
    pairs = enumerate(zip(before, after, strict=True))
    return {i: round((a - b) * scale) for i, (a, b) in pairs if a is not None and b is not None}


def mean(
    name: str,
    before: Sequence[float | None],
    after: Sequence[float | None],
    scale: int,
    tolerance: float,
    rules: Rules,
    show: Callable[[float], str],
) -> MetricVerdict:
    """Compare a mean over the images that have a value in both runs. A lower mean is worse.

    Values are whole numbers of 1 / ``scale``.
    """
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if not pairs:
        return not_judged(name, "no image can be compared")
    values_before, values_after = zip(*pairs, strict=True)
    mean_before, mean_after = fmean(values_before), fmean(values_after)
    if mean_before == 0:
        return not_judged(name, f"the baseline's is zero, now {show(mean_after)}")
    change = mean_after / mean_before - 1
    interval = relative_change(values_before, values_after)
    differences = list(fallen(values_before, values_after, scale).values())
    verdict = tested(name, differences, tolerance, rules, worsening=-change)
    numbers = f"{percent(change, interval)} on {len(pairs)} images, {verdict.text}"
    return verdict.model_copy(
        update={
            "text": f"{name} {show(mean_before)} -> {show(mean_after)} ({numbers})",
            "before": mean_before,
            "after": mean_after,
            "change": change,
            "interval": interval,
        }
    )


def tested(name: str, differences: Sequence[int], tolerance: float, rules: Rules, *, worsening: float) -> MetricVerdict:
    """Judge per-image differences, positive where an image got worse. The text of the verdict is the p value."""
    towards = list(differences) if worsening > 0 else [-difference for difference in differences]
    p_value = sign_flip(towards)
    outcome = rules.outcome(worsening, tolerance, p_value)
    needed = images_to_settle(towards, len(towards), rules.level) if outcome == "inconclusive" else None
    return MetricVerdict(
        metric=name,
        outcome=outcome,
        fails=rules.fails(outcome, worsening),
        text=f"p = {p_value:.2g}" + (f", about {needed} images would settle it" if needed else ""),
        p_value=p_value,
        images=len(differences),
        worse=worsening > 0,
    )


def nothing_right(name: str, baseline: Measurement, current: Measurement) -> MetricVerdict | None:
    """Return the verdict on a model that is wrong about every image attacked before. Returns None for any other."""
    if attempted(baseline, current) or not baseline.aggregates.attempts:
        return None
    said = f"none of the {baseline.aggregates.attempts} images attacked before is classified correctly any more"
    return MetricVerdict(metric=name, outcome="regressed", fails=True, worse=True, text=said)


def points(change: float, interval: Interval | None) -> str:
    known = f" [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]" if interval else ""
    return f"{100 * change:+.1f} pp{known}"


def percent(change: float, interval: Interval | None) -> str:
    known = f" [{interval[0]:+.1%}, {interval[1]:+.1%}]" if interval else ""
    return f"{change:+.1%}{known}"


def not_judged(name: str, reason: str, *, record_anew: bool = False) -> MetricVerdict:
    text = f"{name} not judged: {reason}"
    return MetricVerdict(metric=name, outcome="not judged", text=text, record_anew=record_anew)

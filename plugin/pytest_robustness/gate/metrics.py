"""One metric at a time: paired evidence, a tolerance and a test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pytest_robustness.gate.statistics import (
    Interval,
    images_to_settle,
    paired_rates,
    pooled_change,
    relative_change,
    sign_flip,
)
from pytest_robustness.records.evidence import NOISE_DIGITS
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.verdict import MetricVerdict, Outcome
from pytest_robustness.suite.suite import Case, Suite, Tolerances

#: A change of exactly the tolerance is within it.
ROUNDING = 1e-9
#: Fewer batches do not tell how much their time varies.
LEAST_BATCHES = 4
#: What the 95 % interval of a change in time may reach, as a share of the tolerance.
ALLOWED_REACH = 0.5
#: Standard error of a median, in standard errors of a mean, for a normal distribution.
MEDIAN_ERROR = math.sqrt(math.pi / 2)

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Rules:
    """What evidence is judged by: the suite's tolerances and policy, and the level of a test."""

    tolerances: Tolerances
    level: float
    tolerance_only: bool = False
    inconclusive_fails: bool = False
    max_success_rate: float | None = None

    @classmethod
    def of(cls, case: Case) -> Rules:
        return cls._of(case.suite, case.level, case.attack.max_success_rate)

    @classmethod
    def pooled(cls, suite: Suite) -> Rules:
        return cls._of(suite, suite.pooled_level, None)

    @classmethod
    def _of(cls, suite: Suite, level: float, limit: float | None) -> Rules:
        return cls(suite.tolerances, level, suite.policy == "tolerance", suite.inconclusive == "fail", limit)

    def outcome(self, worsening: float, tolerance: float, p_value: float) -> Outcome:
        """Beyond its tolerance a change is real or not; ``p_value`` is of its own direction."""
        if abs(worsening) <= tolerance + ROUNDING:
            return "same"
        if p_value > self.level and not self.tolerance_only:
            return "inconclusive"
        return "regressed" if worsening > 0 else "improved"

    def fails(self, outcome: Outcome, worsening: float) -> bool:
        return outcome == "regressed" or (outcome == "inconclusive" and self.inconclusive_fails and worsening > 0)


def compare(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    """All metrics that both measurements have, in the order they are shown."""
    return [metric for one in METRICS for metric in one(then, now, rules)]


def attempted(then: Measurement, now: Measurement) -> list[int]:
    """The images that are attempts in both."""
    return [i for i, both in enumerate(zip(then.evidence.correct, now.evidence.correct, strict=True)) if all(both)]


def success_differences(then: Measurement, now: Measurement) -> dict[int, int]:
    """1 for an image that is lost, -1 for one that is won, of those that are attempts in both."""
    return {i: now.evidence.success[i] - then.evidence.success[i] for i in attempted(then, now)}


def _success_rate(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    name, before, after = "success rate", then.evidence.success, now.evidence.success
    images = attempted(then, now)
    if not images and then.aggregates.attempts:
        said = f"none of the {then.aggregates.attempts} images attacked before is classified correctly any more"
        yield MetricVerdict(metric=name, outcome="regressed", fails=True, worse=True, text=said)
        return
    pairs = [(before[i], after[i]) for i in images]
    verdict = rate(name, pairs, rules.tolerances.success_rate, rules, higher_is_worse=True)
    robust_before, robust_after = then.aggregates.robust_accuracy or 0.0, now.aggregates.robust_accuracy or 0.0
    if verdict.outcome == "improved" and robust_after < robust_before:
        # fewer of the attempts succeed, but fewer images are right at all
        more = f", but robust accuracy fell {robust_before:.1%} -> {robust_after:.1%}"
        verdict = verdict.model_copy(update={"outcome": "inconclusive", "text": verdict.text + more})
    yield verdict


def _limit(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    success_rate, limit = now.aggregates.success_rate, rules.max_success_rate
    if limit is not None and success_rate is not None and success_rate > limit + ROUNDING:
        said = f"success rate {success_rate:.1%} is above max_success_rate, {limit:.1%}"
        yield MetricVerdict(metric="limit", outcome="over limit", fails=True, worse=True, text=said)


def _clean_accuracy(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    before, after = then.evidence.unselected_correct, now.evidence.unselected_correct
    if before is not None and after is not None:
        pairs = list(zip(before, after, strict=True))
        yield rate("clean accuracy", pairs, rules.tolerances.clean_accuracy, rules, higher_is_worse=False)


def _effort(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    before, after = then.evidence.effort, now.evidence.effort
    if before is not None and after is not None and now.budget != 1:  # a single step costs every image the same
        # "never" counts as B + 1, the least it can be, on both sides
        yield mean("effort", before, after, 1, rules.tolerances.effort, rules, "{:.2f}".format)


def _noise_rate(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    before, after = then.evidence.noise, now.evidence.noise
    yield mean("noise rate", before, after, 10**NOISE_DIGITS, rules.tolerances.noise_rate, rules, "{:.5f}".format)


def _threads(one: Measurement) -> str:
    count = one.timing.threads
    return f"{count or 'unknown'} thread{'' if count == 1 else 's'}"


def _time(then: Measurement, now: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    before, after = then.timing.gradient_units, now.timing.gradient_units
    if not before or not after:
        yield not_judged("time", "nothing was timed")
        return
    values = f"{before:.2f} -> {after:.2f} gradient units"
    doubt = now.timing.doubt or then.timing.doubt
    batches = math.ceil(now.protocol.images.count / now.protocol.batch_size)
    reach = time_reach(batches, then.timing, now.timing)
    if then.provenance.device != now.provenance.device:
        doubt = f"recorded on {then.provenance.device}"
    elif then.timing.threads != now.timing.threads:
        doubt = f"recorded on {_threads(then)}, now on {_threads(now)}"
    elif doubt is None and batches < LEAST_BATCHES:
        doubt = f"fewer than {LEAST_BATCHES} batches"
    elif doubt is None and reach > ALLOWED_REACH * rules.tolerances.time:
        doubt = f"known to {reach:.0%} only, not to {ALLOWED_REACH * rules.tolerances.time:.0%}"
    if doubt is not None:
        yield not_judged("time", f"{values}, {doubt}")
        return
    change = after / before - 1
    outcome = rules.outcome(-change, rules.tolerances.time, 0.0)  # the reach is what makes it sure
    yield MetricVerdict(
        metric="time",
        outcome=outcome,
        fails=rules.fails(outcome, -change),
        text=f"time {values} ({change:+.1%})",
        before=before,
        after=after,
        change=change,
        interval=((1 + change) * (1 - reach) - 1, (1 + change) * (1 + reach) - 1),
        worse=change < 0,
    )


def time_reach(batches: int, *timings: Timing) -> float:
    """How far the 95 % interval of a time, or of a ratio of times, reaches; a share of it."""
    spread = math.hypot(*(timing.unit_spread or 0.0 for timing in timings))
    return 1.96 * MEDIAN_ERROR * spread / math.sqrt(max(batches, 1))


METRICS: Sequence[Callable[[Measurement, Measurement, Rules], Iterable[MetricVerdict]]] = (
    _success_rate,
    _limit,
    _effort,
    _noise_rate,
    _time,
    _clean_accuracy,
)


def rate(name: str, pairs: Pairs, tolerance: float, rules: Rules, *, higher_is_worse: bool) -> MetricVerdict:
    """A share of the images, (before, after) for each."""
    if not pairs:
        return not_judged(name, "no image can be compared")
    before, after = (fmean(values) for values in zip(*pairs, strict=True))
    sign = 1 if higher_is_worse else -1
    differences = [sign * (now - then) for then, now in pairs]
    both, up, down, neither = (pairs.count(pair) for pair in ((1, 1), (0, 1), (1, 0), (0, 0)))
    lost, won = differences.count(1), differences.count(-1)
    interval = paired_rates(both, up, down, neither)
    verdict = _tested(name, differences, tolerance, rules, worsening=(lost - won) / len(pairs))
    numbers = f"{points(after - before, interval)}, {lost} images lost, {won} won, {verdict.text}"
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


def mean(
    name: str,
    before: Sequence[float | None],
    after: Sequence[float | None],
    scale: int,
    tolerance: float,
    rules: Rules,
    show: Callable[[float], str],
) -> MetricVerdict:
    """A mean over the images that have a value in both runs, a whole number of 1 / ``scale``; lower is worse."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if not pairs:
        return not_judged(name, "no image can be compared")
    values_before, values_after = zip(*pairs, strict=True)
    mean_before, mean_after = fmean(values_before), fmean(values_after)
    if mean_before == 0:
        return not_judged(name, f"the baseline's is zero, now {show(mean_after)}")
    change = mean_after / mean_before - 1
    interval = relative_change(values_before, values_after)
    differences = [round((then - now) * scale) for then, now in pairs]
    verdict = _tested(name, differences, tolerance, rules, worsening=-change)
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


def pooled(
    name: str, sums: Sequence[int], cases: int, comparisons: int, tolerance: float, rules: Rules
) -> MetricVerdict:
    """Per-image sums of differences in success over several cases."""
    change = sum(sums) / comparisons
    interval = pooled_change(sums, cases, comparisons)
    verdict = _tested(name, sums, tolerance, rules, worsening=change)
    return verdict.model_copy(
        update={
            "text": f"{name} {points(change, interval)} on {len(sums)} images, {verdict.text}",
            "change": change,
            "interval": interval,
        }
    )


def _tested(
    name: str, differences: Sequence[int], tolerance: float, rules: Rules, *, worsening: float
) -> MetricVerdict:
    """The outcome, with the p value as its text."""
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


def points(change: float, interval: Interval | None) -> str:
    known = f" [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]" if interval else ""
    return f"{100 * change:+.1f} pp{known}"


def percent(change: float, interval: Interval | None) -> str:
    known = f" [{interval[0]:+.1%}, {interval[1]:+.1%}]" if interval else ""
    return f"{change:+.1%}{known}"


def not_judged(name: str, reason: str) -> MetricVerdict:
    return MetricVerdict(metric=name, outcome="not judged", text=f"{name} not judged: {reason}")

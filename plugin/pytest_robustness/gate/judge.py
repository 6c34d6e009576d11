"""The verdict of one case, from its evidence, its baseline and the suite's rules, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pytest_robustness.gate.statistics import images_to_settle, mcnemar
from pytest_robustness.gate.verdicts import MetricVerdict, Outcome, Verdict
from pytest_robustness.records import Measurement
from pytest_robustness.suite import Case, Tolerances

#: Of a gradient unit, as a share of the tolerance of time: above it, time is not judged.
ALLOWED_SPREAD = 0.5
#: A change of exactly the tolerance is within it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Rules:
    """What a case is judged by: the suite's tolerances, and the level of its tests."""

    tolerances: Tolerances
    level: float

    @classmethod
    def of(cls, case: Case) -> Rules:
        return cls(case.suite.tolerances, case.share)


def judge(now: Measurement, then: Measurement | None, rules: Rules) -> Verdict:
    """Compare a measurement with its baseline, like with like only."""
    if then is None:
        return Verdict(case=now.case, passed=False, word="no baseline", reason=f"{now.case}: no baseline")
    difference = then.protocol.first_difference(now.protocol)
    if difference is not None:
        reason = f"{now.case}: not comparable, re-record: the baseline's protocol differs in {difference}"
        return Verdict(case=now.case, passed=False, word="not comparable", reason=reason)
    metrics = [metric for judge_metric in METRICS for metric in judge_metric(then, now, rules)]
    return _summary(then, now, metrics)


def _summary(then: Measurement, now: Measurement, metrics: list[MetricVerdict]) -> Verdict:
    regressed = [metric for metric in metrics if metric.outcome == "regressed"]
    drifted = [metric for metric in metrics if metric.moved and metric.metric != "time"]
    shown, word = regressed, "regressed"
    suffix = ""
    if drifted and _same_model(then, now):
        shown, word = drifted, "drifted"
        what = "weights are" if then.provenance.torch != now.provenance.torch else "weights and code are"
        suffix = f"; the model's {what} unchanged, so the environment moved{_environment(then, now)}"
    failed = bool(shown)
    if not failed:
        shown = [metric for metric in metrics if metric.moved] or metrics[:1]
        outcomes = {metric.outcome for metric in metrics}
        word = next((outcome for outcome in ("inconclusive", "improved", "same") if outcome in outcomes), "not judged")
    texts = "; ".join(metric.text for metric in shown)
    return Verdict(case=now.case, passed=not failed, word=word, reason=f"{now.case}: {texts}{suffix}", metrics=metrics)


def _same_model(then: Measurement, now: Measurement) -> bool:
    """Known to be: of the code nothing is known where it could not be followed."""
    followed = now.provenance.code_digest is not None or then.provenance.torch != now.provenance.torch
    return followed and not now.provenance.changes(then.provenance)


def _environment(then: Measurement, now: Measurement) -> str:
    before, after = then.provenance.model_dump(), now.provenance.model_dump()
    moved = [
        f"{key} {before[key]} -> {after[key]}" for key in ("torch", "attacks", "device") if before[key] != after[key]
    ]
    return f" ({', '.join(moved)})" if moved else ""


def _success_rate(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    pairs = [
        (before, after)
        for before, after, attempt, attempt_now in zip(
            then.evidence.success, now.evidence.success, then.evidence.correct, now.evidence.correct, strict=True
        )
        if attempt and attempt_now
    ]
    if not pairs and then.aggregates.attempts:
        return [
            MetricVerdict(
                metric="success rate",
                outcome="regressed",
                worse=True,
                text=f"none of the {then.aggregates.attempts} images attacked before is classified correctly any more",
            )
        ]
    verdict = _rate("success rate", pairs, rules.tolerances.success_rate, rules.level, higher_is_worse=True)
    robust_before, robust_after = then.aggregates.robust_accuracy, now.aggregates.robust_accuracy
    if verdict.outcome == "improved" and (robust_after or 0) < (robust_before or 0):
        # fewer of the attempts succeed, but fewer images are right at all
        verdict = verdict.model_copy(
            update={
                "outcome": "inconclusive",
                "text": f"{verdict.text}, but robust accuracy fell {robust_before:.1%} -> {robust_after:.1%}",
            }
        )
    return [verdict]


def _clean_accuracy(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    before, after = then.evidence.unselected_correct, now.evidence.unselected_correct
    if before is None or after is None:
        return []
    pairs = list(zip(before, after, strict=True))
    return [_rate("clean accuracy", pairs, rules.tolerances.clean_accuracy, rules.level, higher_is_worse=False)]


def _effort(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    if then.evidence.effort is None or now.evidence.effort is None or now.budget == 1:
        return []  # a single step costs every image the same
    return [_mean("effort", then.evidence.effort, now.evidence.effort, rules.tolerances.effort, "{:.2f}".format)]


def _noise_rate(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    return [_mean("noise rate", then.evidence.noise, now.evidence.noise, rules.tolerances.noise_rate, "{:.5f}".format)]


def _time(then: Measurement, now: Measurement, rules: Rules) -> list[MetricVerdict]:
    before, after = then.timing, now.timing
    if not before.gradient_units or not after.gradient_units:
        return [_not_judged("time", "nothing was timed")]
    values = f"{before.gradient_units:.2f} -> {after.gradient_units:.2f} gradient units"
    if then.provenance.device != now.provenance.device:
        return [_not_judged("time", f"{values}, recorded on {then.provenance.device}")]
    spread = max(before.unit_spread or 0, after.unit_spread or 0)
    allowed = ALLOWED_SPREAD * rules.tolerances.time
    doubt = after.doubt or before.doubt
    if doubt is None and spread > allowed:
        doubt = f"a gradient unit's time spreads by {spread:.0%}, more than {allowed:.0%}"
    if doubt is not None:
        return [_not_judged("time", f"{values}, {doubt}")]
    change = after.gradient_units / before.gradient_units - 1
    return [
        MetricVerdict(
            metric="time",
            outcome=_by_tolerance(change, rules.tolerances.time),
            text=f"time {values} ({change:+.1%})",
            before=before.gradient_units,
            after=after.gradient_units,
            change=change,
            worse=change < 0,
        )
    ]


#: In the order they are shown. Each gives one verdict, or none where the metric does not exist.
METRICS: Sequence[Callable[[Measurement, Measurement, Rules], list[MetricVerdict]]] = (
    _success_rate,
    _effort,
    _noise_rate,
    _time,
    _clean_accuracy,
)


def _rate(
    name: str, pairs: list[tuple[int, int]], tolerance: float, level: float, *, higher_is_worse: bool
) -> MetricVerdict:
    """A share of the images, compared image by image: tolerance and McNemar's exact test must both be exceeded."""
    if not pairs:
        return _not_judged(name, "no image can be compared")
    before, after = (fmean(values) for values in zip(*pairs, strict=True))
    up, down = pairs.count((0, 1)), pairs.count((1, 0))
    lost, won = (up, down) if higher_is_worse else (down, up)
    worsening = (lost - won) / len(pairs)
    p_worse, p_better = mcnemar(lost, won), mcnemar(won, lost)
    p_value = p_worse if lost >= won else p_better
    numbers = f"{name} {before:.1%} -> {after:.1%} ({100 * (after - before):+.1f} pp, {lost} images lost, {won} won"
    outcome: Outcome = "same"
    more = ""
    if abs(worsening) > tolerance + ROUNDING:
        if p_value <= level:
            outcome = "regressed" if worsening > 0 else "improved"
        else:
            outcome = "inconclusive"
            needed = images_to_settle(max(lost, won), min(lost, won), len(pairs), level)
            more = f", about {needed} images would settle it" if needed else ""
    return MetricVerdict(
        metric=name,
        outcome=outcome,
        text=f"{numbers}, p = {p_value:.2g}{more})" if up + down else f"{name} {after:.1%}, no image changed",
        before=before,
        after=after,
        change=after - before,
        p_value=p_value,
        worse=worsening > 0,
    )


def _mean(
    name: str,
    before: Sequence[float | None],
    after: Sequence[float | None],
    tolerance: float,
    show: Callable[[float], str],
) -> MetricVerdict:
    """A mean over the images that have a value in both runs, compared by tolerance; lower is worse."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if not pairs:
        return _not_judged(name, "no image can be compared")
    mean_before, mean_after = (fmean(values) for values in zip(*pairs, strict=True))
    if mean_before == 0:
        return _not_judged(name, f"the baseline's is zero, now {show(mean_after)}")
    change = mean_after / mean_before - 1
    return MetricVerdict(
        metric=name,
        outcome=_by_tolerance(change, tolerance),
        text=f"{name} {show(mean_before)} -> {show(mean_after)} ({change:+.1%} on {len(pairs)} images)",
        before=mean_before,
        after=mean_after,
        change=change,
        worse=change < 0,
    )


def _by_tolerance(change: float, tolerance: float) -> Outcome:
    if abs(change) <= tolerance + ROUNDING:
        return "same"
    return "regressed" if change < 0 else "improved"


def _not_judged(name: str, reason: str) -> MetricVerdict:
    return MetricVerdict(metric=name, outcome="not judged", text=f"{name} not judged: {reason}")

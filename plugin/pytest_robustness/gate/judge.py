"""The verdict of one case, from its evidence, its baseline and the suite's rules, and from nothing else."""

from __future__ import annotations

from pytest_robustness.gate.metrics import Rules, compare
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Status, Verdict

#: The first of these that a metric has is the case's.
MOST_TELLING = (Status.REGRESSED, Status.OVER_LIMIT, Status.INCONCLUSIVE, Status.IMPROVED, Status.SAME)


def judge(now: Measurement, then: Measurement | None, rules: Rules) -> Verdict:
    """Compare a measurement with its baseline, like with like only."""
    difference = then.protocol.first_difference(now.protocol) if then else None
    if then is not None and difference is None:
        return _summary(then, now, compare(then, now, rules))
    status, reason = Status.NO_BASELINE, "no baseline"
    if difference is not None:
        status = Status.NOT_COMPARABLE
        reason = f"not comparable, re-record: the baseline's protocol differs in {difference}"
    return Verdict(case=now.case, passed=False, status=status, reason=f"{now.case}: {reason}")


def not_judged(case: str) -> Verdict:
    """Of a trial: its images are too few to say anything."""
    return Verdict(case=case, passed=True, status=Status.TRIAL, reason=f"{case}: a trial, not judged")


def _summary(then: Measurement, now: Measurement, metrics: list[MetricVerdict]) -> Verdict:
    shown = [metric for metric in metrics if metric.fails]
    drifted = [metric for metric in metrics if metric.moved and metric.metric != "time"]
    failed, suffix = bool(shown), ""
    outcomes = {metric.outcome for metric in (shown or metrics)}
    status = next((outcome for outcome in MOST_TELLING if outcome in outcomes), Status.NOT_JUDGED)
    if drifted and _same_model(then, now):
        failed, shown, status = True, drifted, Status.DRIFTED
        what = "weights are" if then.provenance.torch != now.provenance.torch else "weights and code are"
        suffix = f"; the model's {what} unchanged, so the environment moved{_environment(then, now)}"
    if not failed:
        shown = [metric for metric in metrics if metric.moved] or metrics[:1]
    texts = "; ".join(metric.text for metric in shown)
    return Verdict(
        case=now.case,
        passed=not failed,
        status=status,
        reason=f"{now.case}: {texts}{suffix}",
        metrics=metrics,
        changes=now.provenance.changes(then.provenance),
    )


def _same_model(then: Measurement, now: Measurement) -> bool:
    """Known to be: of the code nothing is known where it could not be followed."""
    followed = now.provenance.code_digest is not None or then.provenance.torch != now.provenance.torch
    return followed and not now.provenance.changes(then.provenance)


def _environment(then: Measurement, now: Measurement) -> str:
    before, after = then.provenance.model_dump(), now.provenance.model_dump()
    moved = [
        f"{key} {before.get(key)} -> {after.get(key)}"
        for key in ("torch", "attacks", "images", "device")
        if before.get(key) != after.get(key)
    ]
    threads = [one.timing.threads for one in (then, now)]
    if None not in threads and threads[0] != threads[1]:
        moved.append(f"threads {threads[0]} -> {threads[1]}")
    return f" ({', '.join(moved)})" if moved else ""

"""The verdict of one case, from its evidence, its baseline and the suite's rules, and from nothing else."""

from __future__ import annotations

from pytest_robustness.gate.metrics import Rules, compare, exceeded_limit
from pytest_robustness.gate.pairing import Lists, Pair, pair
from pytest_robustness.gate.suspicion import BECAUSE, doubted, failed_checks, masked_baseline
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Status, Verdict
from pytest_robustness.suite.suite import Case

#: The status of a case is the first of these that one of its metrics has.
MOST_TELLING = (
    Status.REGRESSED,
    Status.OVER_LIMIT,
    Status.SUSPICIOUS,
    Status.INCONCLUSIVE,
    Status.IMPROVED,
    Status.SAME,
)


def judge(current: Measurement, baseline: Measurement | None, rules: Rules, lists: Lists | None = None) -> Verdict:
    """Judge a measurement by its baseline. Only equal protocols are compared, and each image with itself.

    Args:
        current, baseline: the measurement, and its baseline if there is one.
        rules: the rules they are judged by.
        lists: where the lists of their images come from; only needed when their sets differ.

    Raises RobustnessError, naming the file, when a list is needed and cannot be read.
    """
    if baseline is None:
        return Verdict(
            case=current.case, passed=False, status=Status.NO_BASELINE, reason=f"{current.case}: {Status.NO_BASELINE}"
        )
    return judge_pair(pair(baseline, current, lists or Lists()), current, rules)


def judge_pair(paired: Pair, current: Measurement, rules: Rules) -> Verdict:
    """Judge a measurement and a baseline that were paired already.

    ``current`` is the whole measurement, including new images.
    """
    problem = paired.problem(accept_removed=rules.accept_removed_images)
    if problem is not None:
        reason = f"{current.case}: {problem}"
        return Verdict(
            case=current.case, passed=False, status=Status.NOT_COMPARABLE, reason=reason, images=paired.change
        )
    metrics = compare(paired.baseline, paired.current, rules)
    masked = masked_baseline(paired.baseline, paired.current)
    if masked is not None and any(metric.moved for metric in metrics):
        reason = f"{current.case}: not comparable, record anew: the baseline was masked ({masked})"
        return Verdict(
            case=current.case,
            passed=False,
            status=Status.NOT_COMPARABLE,
            reason=reason,
            changes=current.provenance.changes(paired.baseline.provenance),
            images=paired.change,
        )
    metrics = doubted(paired.baseline, paired.current, metrics, rules)
    metrics[1:1] = exceeded_limit(current, rules)  # after the success rate
    return _summary(paired, metrics)


def not_judged(case: str) -> Verdict:
    """Return the verdict of a trial, which is not judged: its images are too few to say anything."""
    return Verdict(case=case, passed=True, status=Status.TRIAL, reason=f"{case}: a trial, not judged")


def check_attempts(
    case: Case, current: Measurement, baseline: Measurement | None, *, recording: bool, hint: str | None = None
) -> None:
    """Raise RobustnessError, naming the model, when nothing was attacked and no baseline tells that this is worse.

    ``hint``, if there is one, says how the suite perhaps should describe the model's input.
    """
    before = baseline.aggregates.attempts if baseline is not None and not recording else 0
    if not current.aggregates.attempts and not before:
        problem = (
            f"none of the {current.images.count} images is classified correctly, so nothing was attacked: compare "
            "normalisation, channels and the order of the classes with what the model was trained with"
        )
        problem += f"; {hint}" if hint else ""
        raise case.error(f"models.{case.model_name}", problem)


def _summary(paired: Pair, metrics: list[MetricVerdict]) -> Verdict:
    baseline, current = paired.baseline, paired.current
    shown = [metric for metric in metrics if metric.fails]
    drifted = [metric for metric in metrics if metric.moved and metric.metric != "time"]
    failed, suffix = bool(shown), ""
    own = [metric for metric in metrics if metric.metric != "clean accuracy"]  # clean accuracy is the model's
    outcomes = {metric.outcome for metric in (shown or own)}
    status = next((outcome for outcome in MOST_TELLING if outcome in outcomes), Status.NOT_JUDGED)
    if any(one.metric == "success rate" and one.outcome == "suspicious" for one in own):
        status = Status.SUSPICIOUS  # other changes for the worse are of the few images that fool a masked model
    if drifted and _same_model(baseline, current):
        failed, shown, status = True, drifted, Status.DRIFTED
        what = "weights are" if baseline.provenance.torch != current.provenance.torch else "weights and code are"
        suffix = f"; the model's {what} unchanged, so {_environment(baseline, current)}"
    if not failed:
        shown = [metric for metric in own if metric.moved] or metrics[:1]
    texts = "; ".join([*_texts(shown), *paired.change.notes])
    return Verdict(
        case=current.case,
        passed=not failed,
        status=status,
        reason=f"{current.case}: {texts}{suffix}",
        metrics=metrics,
        changes=current.provenance.changes(baseline.provenance),
        images=paired.change,
        doubts=[str(finding) for finding in failed_checks(current)],
    )


def _texts(metrics: list[MetricVerdict]) -> list[str]:
    """Return the text of each metric. A reason that several of them share is said once, after the last of them."""
    parts = [metric.text.partition(BECAUSE) for metric in metrics]
    later = [{reason for _, _, reason in parts[i + 1 :] if reason} for i in range(len(parts))]
    return [said if reason in later[i] else f"{said}{mark}{reason}" for i, (said, mark, reason) in enumerate(parts)]


def _same_model(baseline: Measurement, current: Measurement) -> bool:
    """Return whether the model is known to be unchanged. It is not known when its code could not be followed."""
    followed = current.provenance.code_digest is not None or baseline.provenance.torch != current.provenance.torch
    return followed and not current.provenance.changes(baseline.provenance)


def _environment(baseline: Measurement, current: Measurement) -> str:
    """Describe what else can have changed a value of an unchanged model."""
    before, after = baseline.provenance.model_dump(), current.provenance.model_dump()
    moved = [
        f"{key} {before.get(key)} -> {after.get(key)}"
        for key in ("torch", "attacks", "images", "device")
        if before.get(key) != after.get(key)
    ]
    threads = [one.timing.threads for one in (baseline, current)]
    if None not in threads and threads[0] != threads[1]:
        moved.append(f"threads {threads[0]} -> {threads[1]}")
    if not moved:
        return "the environment moved, or something that no digest sees: an array or a file that its code reads"
    return f"the environment moved ({', '.join(moved)})"

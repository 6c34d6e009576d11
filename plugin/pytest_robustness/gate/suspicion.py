"""Suspicion: whether the masking checks let an improvement be believed.

A model whose gradients lead nowhere looks robust to every attack that follows them. So a value that is beyond its
tolerance for the better counts only when the checks pass that passed before.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict

#: Metrics that gradients do not decide.
UNAFFECTED = ("clean accuracy", "time", "limit")


#: Stands before the reasons of a suspicion.
BECAUSE = "; suspicious: "
#: Checks that are made only when another model is at hand.
OPTIONAL = {"transfer"}
#: The finding on a changed model that was not checked, although the baseline's was: a measurement may be made up.
NOT_LOOKED = Finding(
    check="masking checks",
    passed=False,
    numbers="not all of them were made, though the model changed",
    meaning="a run by another version, or one that was tampered with",
    advice="Measure again with this version",
)


def failed_checks(one: Measurement) -> list[Finding]:
    """Return the masking checks that a measurement's model failed. The list is empty when no checks were made."""
    return [finding for finding in one.findings or () if not finding.passed]


def _failed_now(baseline: Measurement, current: Measurement) -> list[Finding]:
    needed = {finding.check for finding in baseline.findings or ()} - OPTIONAL
    missing = needed - {finding.check for finding in current.findings or ()}
    if (missing or (current.findings is None and baseline.findings is not None)) and current.provenance.changes(
        baseline.provenance
    ):
        return [NOT_LOOKED, *failed_checks(current)]
    return failed_checks(current)


def masked_baseline(baseline: Measurement, current: Measurement) -> str | None:
    """Return why the baseline's model was masked and this one is not: the checks that failed then and pass now.

    Returns None when there are none, also because no checks were made now.
    """
    passed = {finding.check for finding in current.findings or () if finding.passed}
    gone = [finding for finding in failed_checks(baseline) if finding.check in passed]
    return "; ".join(f"{finding.check}: {finding.numbers}" for finding in gone) or None


def doubted(
    baseline: Measurement, current: Measurement, metrics: Sequence[MetricVerdict], rules: Rules
) -> list[MetricVerdict]:
    """Return the metrics, and doubt those that moved for the better when a masking check fails.

    They become ``suspicious`` when a check fails that did not fail before. When every failed check failed in the
    baseline too, both values are of masked models and the change says nothing: they become ``inconclusive``.
    """
    before, all_failed = {finding.check for finding in failed_checks(baseline)}, _failed_now(baseline, current)
    if not all_failed:
        return list(metrics)
    new = [finding for finding in all_failed if finding.check not in before]
    return [_doubted(one, new, all_failed, rules) if _is_better(one) else one for one in metrics]


def _is_better(one: MetricVerdict) -> bool:
    return one.moved and not one.worse and one.metric not in UNAFFECTED


def _doubted(one: MetricVerdict, new: Sequence[Finding], all_failed: Sequence[Finding], rules: Rules) -> MetricVerdict:
    if new:
        text = f"{one.text}{BECAUSE}{'; '.join(_told(finding) for finding in new)}"
        return one.model_copy(update={"outcome": "suspicious", "fails": rules.suspicious_fails, "text": text})
    text = f"{one.text}; not believed: {all_failed[0].check} fails, as in the baseline"
    return one.model_copy(update={"outcome": "inconclusive", "text": text})


def _told(finding: Finding) -> str:
    return f"{finding.check}: {finding.numbers}, usually {finding.meaning}"

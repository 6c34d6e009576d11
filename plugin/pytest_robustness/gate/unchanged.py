"""Unchanged cases, which need not be measured: they would only repeat their baselines."""

from __future__ import annotations

from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.image_list import ImageSetId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.verdict import Status, Verdict

#: Fields of the provenance that evidence does not depend on. The device may be another product of the same kind.
INDIFFERENT = {"device", "model", "commit", "architecture", "row_floor", "removed_images", "accepted_suspicious"}


def is_unchanged(
    baseline: Measurement, protocol: Protocol, provenance: Provenance, images: ImageSetId, unselected: ImageSetId | None
) -> bool:
    """Return whether measuring would give the baseline's evidence again, because all that it depends on is the same.

    Returns False for a model whose code has no digest, because what it does may depend on more than can be seen.
    """
    before, after = (one.model_dump(exclude=INDIFFERENT) for one in (baseline.provenance, provenance))
    same_images = (baseline.images, baseline.unselected) == (images, unselected)
    return provenance.code_digest is not None and before == after and baseline.protocol == protocol and same_images


def judge_unchanged(baseline: Measurement, rules: Rules) -> Verdict:
    """Judge a baseline by today's rules, for a case that is unchanged. Only an absolute limit can fail it."""
    verdict = judge(baseline, baseline, rules)
    if not verdict.passed:
        return verdict
    return Verdict(
        case=baseline.case, passed=True, status=Status.UNCHANGED, reason=f"{baseline.case}: {Status.UNCHANGED}"
    )

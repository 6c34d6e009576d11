"""What need not be measured: a case that would only repeat its baseline."""

from __future__ import annotations

from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.image_list import ImageSetId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.verdict import Status, Verdict

#: Of the provenance, what evidence does not depend on. The product may be another, its kind may not.
INDIFFERENT = {"device", "model", "commit", "architecture", "row_floor", "removed_images", "accepted_suspicious"}


def is_unchanged(
    then: Measurement, protocol: Protocol, provenance: Provenance, images: ImageSetId, unselected: ImageSetId | None
) -> bool:
    """Whether measuring would give the baseline's evidence again: all that it depends on is what it was.

    Never so for a model whose code has no digest: what it does may depend on more than can be seen.
    """
    before, after = (one.model_dump(exclude=INDIFFERENT) for one in (then.provenance, provenance))
    same_images = (then.images, then.unselected) == (images, unselected)
    return provenance.code_digest is not None and before == after and then.protocol == protocol and same_images


def judge_unchanged(then: Measurement, rules: Rules) -> Verdict:
    """The baseline by today's rules: only an absolute limit can fail it."""
    verdict = judge(then, then, rules)
    if not verdict.passed:
        return verdict
    return Verdict(case=then.case, passed=True, status=Status.UNCHANGED, reason=f"{then.case}: {Status.UNCHANGED}")

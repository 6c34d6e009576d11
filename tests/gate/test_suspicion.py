"""An improvement counts only where the masking checks pass that passed before."""

from dataclasses import replace

import pytest
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.update import Update
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import Status, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, measurement

RULES = Rules(Tolerances(), 0.05 / 6)
SOUND = Finding(check="gradients", passed=True, numbers="0 of 40 images")
MASKED = Finding(check="gradients", passed=False, numbers="40 of 40 images", meaning="gradient masking", advice="BPDA")
ELSE = Finding(check="transfer", passed=False, numbers="30 of 40 images", meaning="masking too", advice="Square")


def one(fooled: int, digest: str, findings: list[Finding] | None) -> Measurement:
    outcomes = FOOLED * fooled + WITHSTOOD * (100 - fooled)
    return measurement(outcomes, digest=digest, unselected="+" * 100).model_copy(update={"findings": findings})


def verdict_of(before: int, after: int, then: list[Finding] | None, now: list[Finding] | None) -> Verdict:
    return judge(one(after, "after", now), one(before, "before", then), RULES)


@pytest.mark.parametrize("then", [None, [], [SOUND]], ids=["unknown", "too few images", "passed"])
def test_what_looks_better_is_suspicious_where_a_check_fails_that_did_not(then: list[Finding] | None) -> None:
    verdict = verdict_of(90, 10, then, [MASKED])
    assert verdict.status == Status.SUSPICIOUS
    assert not verdict.passed
    assert "success rate 90.0% -> 10.0%" in verdict.reason
    assert verdict.reason.endswith("; suspicious: gradients: 40 of 40 images, usually gradient masking")
    assert "; effort 4.70 -> " in verdict.reason  # which is suspicious for the same reason, told once
    assert verdict.reason.count("suspicious") == 1
    assert verdict.doubts == ["gradients: 40 of 40 images. Usually gradient masking. BPDA"]


def test_a_suite_may_only_warn() -> None:
    then, now = one(90, "before", [SOUND]), one(10, "after", [MASKED])
    verdict = judge(now, then, replace(RULES, suspicious_fails=False))
    assert (verdict.status, verdict.passed) == (Status.SUSPICIOUS, True)


def test_too_small_to_be_sure_is_suspicious_too() -> None:
    assert verdict_of(90, 87, [SOUND], [SOUND]).status == Status.INCONCLUSIVE
    assert verdict_of(90, 87, [SOUND], [MASKED]).status == Status.SUSPICIOUS


@pytest.mark.parametrize(
    ("before", "after", "status"), [(50, 50, "same"), (10, 90, "regressed"), (50, 53, "inconclusive")]
)
def test_a_failed_check_without_an_improvement_is_told_and_nothing_else(before: int, after: int, status: str) -> None:
    verdict = verdict_of(before, after, [SOUND], [MASKED])
    assert verdict.status == status
    assert verdict.passed == (status != "regressed")
    assert len(verdict.doubts) == 1


def test_what_failed_before_is_no_news_and_still_never_improves() -> None:
    verdict = verdict_of(90, 10, [MASKED], [MASKED])
    assert verdict.status == Status.INCONCLUSIVE
    assert verdict.passed
    assert "not believed: gradients fails, as in the baseline" in verdict.reason
    assert verdict_of(90, 10, [MASKED], [MASKED, ELSE]).status == Status.SUSPICIOUS


def test_a_sound_improvement_is_one() -> None:
    assert verdict_of(90, 10, [SOUND], [SOUND]).status == Status.IMPROVED
    assert verdict_of(90, 10, None, [SOUND]).doubts == []


@pytest.mark.parametrize("after", [10, 90])
def test_a_baseline_that_was_masked_is_recorded_anew(after: int) -> None:
    verdict = verdict_of(50, after, [MASKED], [SOUND])
    assert (verdict.status, verdict.passed) == (Status.NOT_COMPARABLE, False)
    assert verdict.reason.endswith("record anew: the baseline was masked (gradients: 40 of 40 images)")
    assert verdict_of(50, 50, [MASKED], [SOUND]).status == Status.SAME  # nothing hangs on it
    assert verdict_of(50, after, [MASKED], None).status != Status.NOT_COMPARABLE  # nobody looked


def test_a_changed_model_that_nobody_looked_at_is_not_believed() -> None:
    verdict = verdict_of(90, 10, [SOUND], None)
    assert verdict.status == Status.SUSPICIOUS
    assert "masking checks: not all of them were made, though the model changed" in verdict.reason
    assert verdict_of(90, 10, None, None).status == Status.IMPROVED  # nor at the baseline's: an old one
    assert verdict_of(10, 90, [SOUND], None).status == Status.REGRESSED


def test_nor_is_one_whose_failed_checks_were_taken_out() -> None:
    other = Finding(check="unbounded", passed=True, numbers="0 of 40 images")
    assert verdict_of(90, 10, [SOUND, other], [SOUND]).status == Status.SUSPICIOUS
    assert verdict_of(90, 10, [SOUND], []).status == Status.SUSPICIOUS
    assert verdict_of(90, 10, [SOUND], [SOUND, other]).status == Status.IMPROVED  # a later version looks at more
    away = Finding(check="transfer", passed=True, numbers="0 of 40 images")
    assert verdict_of(90, 10, [SOUND, away], [SOUND]).status == Status.IMPROVED  # there is no other model now


def test_clean_accuracy_is_not_what_masking_changes() -> None:
    then, now = one(50, "before", [SOUND]), one(50, "after", [MASKED])
    worse = measurement(FOOLED * 50 + WITHSTOOD * 50, digest="before", unselected="+" * 50 + "-" * 50)
    verdict = judge(now, worse.model_copy(update={"findings": then.findings}), RULES)
    clean = verdict.metric("clean accuracy")
    assert clean is not None
    assert (clean.outcome, verdict.status, verdict.passed) == ("improved", Status.SAME, True)


def test_suspicious_values_are_recorded_only_where_somebody_accepts_them() -> None:
    then, now = one(90, "before", [SOUND]), one(10, "after", [MASKED])
    update = Update(now, then, judge(now, then, RULES))
    said = update.refusal(accept_removed_images=False, accept_suspicious=False)
    assert said is not None
    assert said.endswith("mend the model, or record it by --accept-suspicious")
    assert update.refusal(accept_removed_images=False, accept_suspicious=True) is None
    assert update.with_commit(None).current.provenance.accepted_suspicious == ["gradients"]
    sound = Update(one(10, "after", [SOUND]), then, judge(one(10, "after", [SOUND]), then, RULES))
    assert sound.refusal(accept_removed_images=False, accept_suspicious=False) is None
    assert sound.with_commit(None).current.provenance.accepted_suspicious is None


def test_findings_survive_being_stored_a_line_each() -> None:
    stored = one(50, "weights", [SOUND, MASKED])
    text = stored.to_json()
    assert Measurement.from_json(text) == stored
    assert sum('"check"' in line for line in text.splitlines()) == 2
    assert '"findings"' not in one(50, "weights", None).to_json()


def test_a_masked_model_is_suspicious_though_the_few_it_lets_through_look_easier() -> None:
    """The noise of the images that are still fooled fell."""
    then = measurement(FOOLED * 90 + WITHSTOOD * 10, digest="before", noises=[0.01] * 90 + [None] * 10)
    now = measurement(FOOLED * 40 + WITHSTOOD * 60, digest="after", noises=[0.005] * 40 + [None] * 60)
    verdict = judge(now.model_copy(update={"findings": [MASKED]}), then, RULES)
    noise, success = verdict.metric("noise rate"), verdict.metric("success rate")
    assert noise is not None
    assert success is not None
    assert (noise.outcome, success.outcome, verdict.status) == ("regressed", "suspicious", Status.SUSPICIOUS)
    assert not verdict.passed

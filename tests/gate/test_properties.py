"""What holds of every two measurements, with every metric, recomputed without the gate's own code."""

import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.suite.suite import Tolerances
from scipy.stats import binomtest

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, measurement
from tests.gate.strategies import modest, runs

LEVEL = 0.05 / 6
TOLERANCES = Tolerances(success_rate=0.02, clean_accuracy=0.03, effort=0.05, noise_rate=0.04)
RULES = Rules(TOLERANCES, LEVEL)
EXCHANGED = {"improved": "regressed", "regressed": "improved"}
TESTED = {
    "success rate": TOLERANCES.success_rate,
    "effort": TOLERANCES.effort,
    "noise rate": TOLERANCES.noise_rate,
    "clean accuracy": TOLERANCES.clean_accuracy,
}
levels = st.sampled_from((0.2, 0.05, LEVEL, 1e-4))


def metric(verdict: Verdict, name: str) -> MetricVerdict:
    found = verdict.metric(name)
    assert found is not None
    return found


# --- recomputed --------------------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(runs() | runs(moved=True), levels, st.sampled_from((0.0, 0.02, 0.1)), st.booleans(), st.booleans())
def test_success_rate_s_verdict_is_what_counting_and_scipy_say(
    pair: tuple[Measurement, Measurement], level: float, tolerance: float, plain: bool, strict: bool
) -> None:
    then, now = pair
    rules = Rules(Tolerances(success_rate=tolerance), level, plain, strict)
    found = metric(judge(now, then, rules), "success rate")
    attempts = lost = won = fooled_before = fooled_after = 0
    for i in range(len(then.evidence.correct)):
        if then.evidence.correct[i] == 1 and now.evidence.correct[i] == 1:
            attempts += 1
            fooled_before += then.evidence.success[i]
            fooled_after += now.evidence.success[i]
            lost += then.evidence.success[i] < now.evidence.success[i]
            won += then.evidence.success[i] > now.evidence.success[i]
    if attempts == 0:
        assert found.outcome == ("regressed" if sum(then.evidence.correct) else "not judged")
        return
    changed, more = lost + won, max(lost, won)
    p_value = binomtest(more, changed, 0.5, alternative="greater").pvalue if changed else 1.0
    robust_before = sum(then.evidence.correct) - sum(then.evidence.success)
    robust_after = sum(now.evidence.correct) - sum(now.evidence.success)
    if abs(lost - won) <= tolerance * attempts + 1e-9:
        expected = "same"
    elif p_value > level and not plain:
        expected = "inconclusive"
    elif lost > won:
        expected = "regressed"
    else:
        expected = "improved" if robust_after >= robust_before else "inconclusive"
    assert found.outcome == expected
    assert found.fails == (expected == "regressed" or (expected == "inconclusive" and strict and lost > won))
    assert (found.lost, found.won, found.images) == (lost, won, attempts)
    assert found.p_value == pytest.approx(p_value)
    assert found.before == pytest.approx(fooled_before / attempts)
    assert found.after == pytest.approx(fooled_after / attempts)
    assert found.worse == (lost > won)


@modest
@given(runs() | runs(moved=True), levels)
def test_the_plain_rule_is_the_tolerance_and_nothing_else(pair: tuple[Measurement, Measurement], level: float) -> None:
    verdict = judge(pair[1], pair[0], Rules(TOLERANCES, level, tolerance_only=True))
    for found in verdict.metrics:
        if found.metric not in TESTED or found.change is None:
            continue
        worsening = found.change if found.metric == "success rate" else -found.change
        beyond = abs(worsening) > TESTED[found.metric] + 1e-9
        expected = "same" if not beyond else "regressed" if worsening > 0 else "improved"
        if "robust accuracy fell" in found.text:
            assert (found.metric, expected) == ("success rate", "improved")
            expected = "inconclusive"
        assert found.outcome == expected


@modest
@given(runs() | runs(moved=True), levels)
def test_doubt_that_fails_adds_doubtful_changes_for_the_worse_and_no_others(
    pair: tuple[Measurement, Measurement], level: float
) -> None:
    usual, strict = (
        judge(pair[1], pair[0], Rules(TOLERANCES, level, inconclusive_fails=doubt)) for doubt in (False, True)
    )
    assert [one.outcome for one in strict.metrics] == [one.outcome for one in usual.metrics]
    for before, after in zip(usual.metrics, strict.metrics, strict=True):
        shown = before.metric == "clean accuracy"  # the model's: no case fails by it
        assert before.fails == (before.outcome == "regressed" and not shown)
        assert after.fails == (before.fails or (after.outcome == "inconclusive" and after.worse and not shown))
    assert strict.passed == (not any(one.fails for one in strict.metrics))
    assert strict.passed <= usual.passed


# --- both ways ---------------------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(runs() | runs(moved=True), levels)
def test_baseline_and_measurement_exchanged_exchange_improved_and_regressed(
    pair: tuple[Measurement, Measurement], level: float
) -> None:
    then, now = pair
    rules = Rules(TOLERANCES, level)
    forth, back = judge(now, then, rules), judge(then, now, rules)
    for name, tolerance in TESTED.items():
        one, other = metric(forth, name), metric(back, name)
        if one.change is None or other.change is None:  # no image to compare, or a mean of zero
            continue
        assert (one.before, one.after) == (other.after, other.before)
        assert one.p_value == other.p_value
        assert (one.lost, one.won) == (other.won, other.lost)
        assert not (one.worse and other.worse)
        if (abs(one.change) > tolerance + 1e-9) != (abs(other.change) > tolerance + 1e-9):
            assert name in ("effort", "noise rate")  # 5 % up is less than 5 % down
            assert "same" in (one.outcome, other.outcome)
        elif "robust accuracy fell" in one.text + other.text:
            assert {one.outcome, other.outcome} == {"inconclusive", "regressed"}
        else:
            assert other.outcome == EXCHANGED.get(one.outcome, one.outcome)


def values(verdict: Verdict) -> dict[str, tuple[object, ...]]:
    """All that a verdict says, the numbers apart that depend on the order of a sum by their last bit."""
    return {
        one.metric: (one.outcome, one.fails, one.before, one.after, one.p_value, one.images, one.lost, one.won)
        for one in verdict.metrics
    }


@settings(max_examples=60, deadline=None)
@given(runs(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(
    pair: tuple[Measurement, Measurement], random: Random, blind: Random
) -> None:
    then, now = pair
    order, others = list(range(len(then.evidence.correct))), list(range(len(then.evidence.unselected_correct or [])))
    random.shuffle(order)
    blind.shuffle(others)

    def shuffled(one: Measurement) -> Measurement:
        seen = one.evidence.model_dump()
        moved = {key: [seen[key][i] for i in order] for key in ("correct", "success", "effort", "noise")}
        moved["unselected_correct"] = [seen["unselected_correct"][i] for i in others]
        return one.model_copy(update={"evidence": Evidence(**moved)})

    straight, mixed = judge(now, then, RULES), judge(shuffled(now), shuffled(then), RULES)
    assert (mixed.status, mixed.passed) == (straight.status, straight.passed)
    assert values(mixed) == values(straight)
    for one, other in zip(straight.metrics, mixed.metrics, strict=True):
        assert other.change == pytest.approx(one.change)
        assert (other.interval or ()) == pytest.approx(one.interval or (), abs=1e-9)


# --- equal runs, and no attempts ---------------------------------------------------------------------------------


@modest
@given(runs(), levels, st.booleans(), st.booleans(), st.sampled_from(("model 0", "another")))
def test_identical_evidence_is_the_same(
    pair: tuple[Measurement, Measurement], level: float, plain: bool, strict: bool, digest: str
) -> None:
    then = pair[0]
    now = then.model_copy(update={"provenance": then.provenance.model_copy(update={"weights_digest": digest})})
    verdict = judge(now, then, Rules(Tolerances(success_rate=0, effort=0, noise_rate=0), level, plain, strict))
    assert verdict.passed
    assert verdict.status in ("same", "not judged")
    assert {one.outcome for one in verdict.metrics} <= {"same", "not judged"}
    for one in verdict.metrics:
        assert one.p_value in (None, 1.0)
        assert not one.worse


@settings(max_examples=80, deadline=None)
@given(runs(moved=True), st.integers(0, 2**32), st.integers(1, 20))
def test_more_successes_never_turn_regressed_into_anything_else(
    pair: tuple[Measurement, Measurement], seed: int, more: int
) -> None:
    then, now = pair
    before = metric(judge(now, then, RULES), "success rate")
    assume(before.outcome == "regressed")
    seen = now.evidence.model_dump()
    withstood = [i for i, fooled in enumerate(seen["success"]) if not fooled and seen["correct"][i]]
    for i in Random(seed).sample(withstood, min(more, len(withstood))):
        seen["success"][i], seen["noise"][i], seen["effort"][i] = 1, 0.001, 3
    verdict = judge(now.model_copy(update={"evidence": Evidence(**seen)}), then, RULES)
    after = metric(verdict, "success rate")
    assert (after.outcome, verdict.passed, verdict.status) == ("regressed", False, "regressed")
    assert after.p_value is not None
    assert before.p_value is not None
    assert after.p_value <= before.p_value


FEW = ("all wrong", "all withstood", "all fooled", "mixed")
KINDS = {"all wrong": WRONG * 30, "all withstood": WITHSTOOD * 30, "all fooled": FOOLED * 30}
MIXED = WRONG * 5 + WITHSTOOD * 10 + FOOLED * 15


@pytest.mark.parametrize("before", FEW)
@pytest.mark.parametrize("after", FEW)
@pytest.mark.parametrize(
    "rules", [RULES, replace(RULES, tolerance_only=True, inconclusive_fails=True, max_success_rate=0.9)]
)
def test_extremes_are_told_as_they_are(before: str, after: str, rules: Rules) -> None:
    then, now = KINDS.get(before, MIXED), KINDS.get(after, MIXED)
    verdict = judge(measurement(now, digest="after"), measurement(then, digest="before"), rules)
    found = metric(verdict, "success rate")
    pairs = Counter(pair for pair in zip(then, now, strict=True) if WRONG not in pair)
    if not pairs:
        assert found.outcome == ("not judged" if before == "all wrong" else "regressed")
    elif then == now:
        assert found.outcome == "same"
        assert found.interval is not None
        assert found.interval[0] < 0 < found.interval[1]
    else:
        assert found.before == pytest.approx((pairs[FOOLED, FOOLED] + pairs[FOOLED, WITHSTOOD]) / pairs.total())
        assert found.after == pytest.approx((pairs[FOOLED, FOOLED] + pairs[WITHSTOOD, FOOLED]) / pairs.total())
    over = rules.max_success_rate is not None and after == "all fooled"
    assert (verdict.metric("limit") is not None) == over
    if over or found.outcome == "regressed":
        assert not verdict.passed
    assert not re.search(r"nan|inf", verdict.reason)

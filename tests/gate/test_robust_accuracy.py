"""Robust accuracy: right and not fooled, of all images; it sees what the success rate cannot."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import DIFFERENCES, Rules
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, measurement, tail
from tests.gate.strategies import comparisons, modest

LEVEL = 0.05 / 6
RULES = Rules(Tolerances(), LEVEL)


def compared(before: str, after: str, rules: Rules = RULES, **changes: object) -> Verdict:
    """Of two models over the same images, without images for clean accuracy."""
    return judge(measurement(after, digest="after", **changes), measurement(before, digest="before", **changes), rules)


def robust(verdict: Verdict) -> MetricVerdict:
    found = verdict.metric("robust accuracy")
    assert found is not None
    return found


#: Of a hundred, 43 withstand and 57 are fooled.
BEFORE = WITHSTOOD * 43 + FOOLED * 57
#: Thirty of them are simply wrong by now: 14 of those that withstood, 16 of those that were fooled.
AFTER = WRONG * 14 + WITHSTOOD * 29 + WRONG * 16 + FOOLED * 41


def test_images_that_are_simply_wrong_by_now_are_seen_without_images_for_clean_accuracy() -> None:
    verdict = compared(BEFORE, AFTER)
    success = verdict.metric("success rate")
    assert success is not None
    assert success.outcome == "same"  # of the attempts as many succeed
    found = robust(verdict)
    assert (found.before, found.after) == (pytest.approx(0.43), pytest.approx(0.29))
    assert (found.lost, found.won, found.images) == (14, 0, 100)
    assert (found.outcome, found.fails, found.worse) == ("regressed", True, True)
    assert found.p_value == pytest.approx(2**-14)
    assert (verdict.status, verdict.passed) == ("regressed", False)
    assert "robust accuracy 43.0% -> 29.0% (-14.0 pp" in verdict.reason
    back = compared(AFTER, BEFORE)
    assert (robust(back).outcome, back.passed) == ("improved", True)


@settings(max_examples=100, deadline=None)
@given(comparisons() | comparisons(lost=(15, 30)))
def test_it_is_of_all_images_and_paired(runs: tuple[str, str]) -> None:
    before, after = runs
    found = compared(before, after).metric("robust accuracy")
    told_apart = any((a == WRONG) != (b == WRONG) for a, b in zip(before, after, strict=True))
    if not told_apart or set(after) == {WRONG}:
        assert found is None
        return
    assert found is not None
    pairs = Counter((a == WITHSTOOD, b == WITHSTOOD) for a, b in zip(before, after, strict=True))
    lost, won = pairs[True, False], pairs[False, True]
    p_value = tail(max(lost, won), min(lost, won))
    beyond = Fraction(abs(lost - won), len(before)) > Fraction("0.01")
    expected = "regressed" if lost > won else "improved"
    assert found.outcome == ("same" if not beyond else expected if p_value <= Fraction(LEVEL) else "inconclusive")
    assert (found.lost, found.won, found.images) == (lost, won, len(before))
    assert found.p_value == pytest.approx(float(p_value))
    assert (found.before, found.after) == pytest.approx(
        (before.count(WITHSTOOD) / len(before), after.count(WITHSTOOD) / len(after))
    )


@modest
@given(comparisons())
def test_where_the_same_images_are_attempted_the_success_rate_says_it(runs: tuple[str, str]) -> None:
    """No statement and no difference: a second one of the same would cost level."""
    before, after = (run.replace(WRONG, WITHSTOOD) for run in runs)
    for gone in ("", WRONG * 7):
        assert compared(before + gone, after + gone).metric("robust accuracy") is None
        one, other = measurement(before + gone), measurement(after + gone)
        assert DIFFERENCES["robust accuracy"](one, other) == {}


@modest
@given(comparisons())
def test_whether_there_is_a_statement_does_not_depend_on_which_run_comes_first(runs: tuple[str, str]) -> None:
    then, now = (measurement(run) for run in runs)
    forth, back = DIFFERENCES["robust accuracy"](then, now), DIFFERENCES["robust accuracy"](now, then)
    assert back == {i: -difference for i, difference in forth.items()}
    assert forth.keys() in (set(), set(range(len(runs[0]))))


def test_an_image_that_was_fooled_and_is_wrong_by_now_is_no_loss() -> None:
    found = robust(compared(FOOLED * 50 + WITHSTOOD * 50, WRONG * 50 + WITHSTOOD * 50))
    assert (found.outcome, found.text) == ("same", "robust accuracy 50.0%, no image changed")


def test_the_suite_s_tolerance_decides() -> None:
    for tolerance, outcome in ((0.14, "same"), (0.13, "regressed")):
        assert robust(compared(BEFORE, AFTER, Rules(Tolerances(robust_accuracy=tolerance), LEVEL))).outcome == outcome


def test_of_an_attack_that_goes_as_far_as_it_has_to_there_is_none() -> None:
    smallest: dict[str, object] = {"protocol": {"attack": "DDN", "parameters": {}, "distance": "2"}}
    distances = [1.0] * 40
    then = measurement(FOOLED * 40, distances=distances, **smallest)
    now = measurement(WRONG * 12 + FOOLED * 28, distances=[None] * 12 + distances[12:], digest="after", **smallest)
    assert judge(now, then, RULES).metric("robust accuracy") is None


def test_where_nothing_is_right_any_more_the_success_rate_says_so() -> None:
    verdict = compared(BEFORE, WRONG * 100)
    assert verdict.metric("robust accuracy") is None
    assert (verdict.status, verdict.passed) == ("regressed", False)

"""Success rate and accuracy: paired, exact, and failed only when tolerance and test agree."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.statistics import paired_rates
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, images, measurement, tail
from tests.gate.strategies import comparisons, evidences, modest

LEVEL = 0.05 / 6
RULES = Rules(Tolerances(), LEVEL)
tolerances = st.sampled_from((0.0, 0.01, 0.05, 0.2))


def compared(before: str, after: str, rules: Rules = RULES, **images: object) -> Verdict:
    """Of two models over the same images."""
    return judge(measurement(after, digest="after", **images), measurement(before, digest="before", **images), rules)


def success(verdict: Verdict) -> MetricVerdict:
    metric = verdict.metric("success rate")
    assert metric is not None
    return metric


def moved(lost: int, won: int, images: int = 1000, fooled: int = 400) -> tuple[str, str]:
    """Before and after: ``fooled`` images fooled before, ``lost`` more fooled now, ``won`` no longer fooled."""
    before = FOOLED * fooled + WITHSTOOD * (images - fooled)
    after = WITHSTOOD * won + FOOLED * (fooled - won + lost) + WITHSTOOD * (images - fooled - lost)
    return before, after


@modest
@given(evidences())
def test_nothing_moves_between_equal_runs(seen: Evidence) -> None:
    sets = {"images": images(len(seen.correct)).identity, "unselected": None}
    if seen.unselected_correct is not None:
        sets["unselected"] = images(len(seen.unselected_correct), "unselected").identity
    one = measurement(rounds=6).model_copy(update={"evidence": seen, **sets})
    verdict = judge(one, one, RULES)
    assert verdict.passed
    assert judge(one, one, replace(RULES, clock=True)).metric("time").outcome == "same"  # whatever was attacked
    assert verdict.moved == []
    judged = {metric.metric for metric in verdict.metrics if metric.outcome == "same"}
    assert ("success rate" in judged) == any(seen.correct)
    assert ("noise rate" in judged) == any(noise for noise in seen.noise)
    assert ("distance" in judged) == any(distance for distance in seen.distance or [])
    assert ("effort" in judged) == any(effort for effort in seen.effort or [])
    assert ("clean accuracy" in judged) == bool(seen.unselected_correct)
    assert ("time" in judged) == (seen.forwards is not None and seen.gradients is not None and any(seen.correct))
    assert verdict.status == ("same" if judged - {"clean accuracy"} else "not judged")


@settings(max_examples=150, deadline=None)
@given(comparisons() | comparisons(won=(15, 30)), tolerances)
def test_success_rate_needs_tolerance_and_test(runs: tuple[str, str], tolerance: float) -> None:
    before, after = runs
    pairs = Counter(pair for pair in zip(before, after, strict=True) if WRONG not in pair)
    lost, won, images = pairs[WITHSTOOD, FOOLED], pairs[FOOLED, WITHSTOOD], pairs.total()
    assume(images)
    metric = success(compared(before, after, Rules(Tolerances(success_rate=tolerance), LEVEL)))
    beyond = Fraction(abs(lost - won), images) > Fraction(str(tolerance))
    significant = tail(max(lost, won), min(lost, won)) <= Fraction(LEVEL)
    if not beyond:
        expected = "same"
    elif not significant:
        expected = "inconclusive"
    elif lost > won:
        expected = "regressed"
    else:
        fewer_robust = after.count(WITHSTOOD) < before.count(WITHSTOOD)
        expected = "inconclusive" if fewer_robust else "improved"
    assert metric.outcome == expected
    assert metric.change == pytest.approx((lost - won) / images)
    assert metric.p_value == pytest.approx(float(tail(max(lost, won), min(lost, won))))


@settings(max_examples=100, deadline=None)
@given(comparisons() | comparisons(won=(15, 30)))
def test_exchanging_the_runs_exchanges_improved_and_regressed(runs: tuple[str, str]) -> None:
    before, after = (run.replace(WRONG, WITHSTOOD) for run in runs)  # robust accuracy moves with the success rate
    forth, back = success(compared(before, after)), success(compared(after, before))
    exchanged = {"improved": "regressed", "regressed": "improved"}
    assert back.outcome == exchanged.get(forth.outcome, forth.outcome)
    assert (back.before, back.after) == (forth.after, forth.before)


@settings(max_examples=100, deadline=None)
@given(comparisons(lost=(15, 30), won=(0, 2)), st.data())
def test_one_more_success_never_saves_a_regressed_case(runs: tuple[str, str], data: st.DataObject) -> None:
    before, after = runs
    assert success(compared(before, after)).outcome == "regressed"
    withstood = [i for i, one in enumerate(after) if one == WITHSTOOD]
    assume(withstood)
    i = data.draw(st.sampled_from(withstood))
    worse = compared(before, after[:i] + FOOLED + after[i + 1 :])
    assert success(worse).outcome == "regressed"
    assert not worse.passed


EXTREMES = ("----", "....", "!!!!", "-.!-", ".-!!")


@pytest.mark.parametrize(("before", "after"), [("", ""), *product(EXTREMES, repeat=2)])
def test_no_attempts_all_successes_and_none_are_judged_without_a_crash(before: str, after: str) -> None:
    verdict = compared(before, after, unselected="")
    assert verdict.reason.startswith("vgg11/pgd: ")
    assert "nan" not in verdict.reason
    if before == after:
        assert verdict.passed


def test_a_model_that_gets_nothing_right_any_more_fails() -> None:
    verdict = compared("!!..", "----")
    assert not verdict.passed
    assert "4 images" in verdict.reason


def test_where_there_was_never_an_attempt_nothing_is_called_judged() -> None:
    verdict = compared("----", "----")
    assert success(verdict).outcome == "not judged"
    assert "-nan" not in verdict.reason


def test_a_rise_within_tolerance_is_the_same_however_significant() -> None:
    before, after = moved(lost=9, won=0)
    metric = success(compared(before, after))
    assert metric.p_value is not None
    assert metric.p_value < LEVEL
    assert metric.outcome == "same"


def test_a_rise_of_exactly_the_tolerance_is_the_same_and_one_image_more_is_not() -> None:
    assert success(compared(*moved(lost=10, won=0))).outcome == "same"
    assert success(compared(*moved(lost=11, won=0))).outcome == "regressed"


def test_a_rise_beyond_tolerance_that_chance_explains_is_inconclusive_and_passes() -> None:
    verdict = compared(*moved(lost=100, won=80))
    assert success(verdict).outcome == "inconclusive"
    assert verdict.passed
    assert verdict.status == "inconclusive"
    assert settling(verdict) > 1000


def test_a_fall_beyond_tolerance_that_chance_explains_is_inconclusive_too() -> None:
    verdict = compared(*moved(lost=80, won=100))
    assert success(verdict).outcome == "inconclusive"
    assert verdict.passed
    assert settling(verdict) == settling(compared(*moved(lost=100, won=80)))


def settling(verdict: Verdict) -> int:
    """The number of images that the reason says would settle the matter."""
    return int(verdict.reason.split(" images would settle it")[0].split()[-1])


def test_a_stricter_level_needs_stronger_evidence() -> None:
    before, after = moved(lost=40, won=20)
    assert success(compared(before, after, Rules(Tolerances(), 0.05))).outcome == "regressed"
    assert success(compared(before, after, Rules(Tolerances(), 0.001))).outcome == "inconclusive"


def test_a_failure_has_all_its_numbers_in_one_line() -> None:
    verdict = compared(*moved(lost=61, won=22, fooled=412))
    assert not verdict.passed
    assert verdict.status == "regressed"
    assert len(verdict.reason.splitlines()) == 1
    assert verdict.reason.startswith("vgg11/pgd: success rate ")
    line = verdict.reason.replace(" %", "%")
    low, high = (f"{100 * end:+.1f}" for end in paired_rates(412 - 22, 61, 22, 1000 - 412 - 61))
    for number in (
        "41.2% -> 45.1%",
        f"+3.9 pp [{low}, {high}]",
        "61 images lost",
        "22 won",
        f"p = {float(tail(61, 22)):.2g}",
    ):
        assert number in line


def test_a_move_for_the_better_has_its_numbers_too_and_passes() -> None:
    verdict = compared(*moved(lost=22, won=61, fooled=412))
    assert verdict.passed
    assert verdict.status == "improved"
    line = verdict.reason.replace(" %", "%")
    for number in ("41.2% -> 37.3%", "-3.9 pp [", "22 images lost", "61 won", f"p = {float(tail(61, 22)):.2g}"):
        assert number in line


def test_fewer_successes_are_no_improvement_when_fewer_images_are_robust() -> None:
    # of 100 attempts 50 were fooled; now 40 of those that withstood are wrong when clean, and 20 fewer are fooled
    before, after = FOOLED * 50 + WITHSTOOD * 50, FOOLED * 30 + WITHSTOOD * 20 + WRONG * 40 + WITHSTOOD * 10
    verdict = compared(before, after)
    assert success(verdict).outcome != "improved"
    line = verdict.reason.replace(" %", "%")
    assert "robust accuracy" in line
    assert "50.0% -> 30.0%" in line
    assert success(compared(before, after.replace(WRONG, WITHSTOOD))).outcome == "improved"


def test_fewer_successes_are_an_improvement_where_as_many_images_are_robust() -> None:
    # of 50 that were fooled 20 withstand, and as many that withstood are wrong when clean
    before = FOOLED * 30 + FOOLED * 20 + WITHSTOOD * 20 + WITHSTOOD * 30
    after = FOOLED * 30 + WITHSTOOD * 20 + WRONG * 20 + WITHSTOOD * 30
    metric = success(compared(before, after))
    assert (metric.outcome, metric.lost, metric.won) == ("improved", 0, 20)
    assert success(compared(before, after[:-1] + WRONG)).outcome == "inconclusive"


def test_images_that_are_no_attempt_in_one_run_are_not_compared() -> None:
    before, after = FOOLED * 20 + WITHSTOOD * 20 + WITHSTOOD * 30, FOOLED * 20 + WITHSTOOD * 20 + WRONG * 30
    assert success(compared(before, after)).outcome == "same"
    metric = success(compared(before, after.replace(WRONG, FOOLED)))
    assert metric.outcome == "regressed"
    assert (metric.before, metric.after) == pytest.approx((20 / 70, 50 / 70))


@settings(max_examples=100, deadline=None)
@given(comparisons(), tolerances)
def test_clean_accuracy_is_judged_like_success_rate_with_the_sign_turned(
    runs: tuple[str, str], tolerance: float
) -> None:
    before, after = runs
    assume(before)
    then, now = (
        measurement("!.", unselected=before, digest="before"),
        measurement("!.", unselected=after, digest="after"),
    )
    metric = judge(now, then, Rules(Tolerances(clean_accuracy=tolerance), LEVEL)).metric("clean accuracy")
    assert metric is not None
    right = [(one != WRONG, other != WRONG) for one, other in zip(before, after, strict=True)]
    lost, won = right.count((True, False)), right.count((False, True))
    beyond = Fraction(abs(lost - won), len(right)) > Fraction(str(tolerance))
    significant = tail(max(lost, won), min(lost, won)) <= Fraction(LEVEL)
    direction = "regressed" if lost > won else "improved"
    assert metric.outcome == ("same" if not beyond else direction if significant else "inconclusive")
    assert metric.change == pytest.approx((won - lost) / len(right))


def test_lost_clean_accuracy_is_shown_with_its_numbers_and_fails_no_case() -> None:
    """It is the model's, and judged once for all of its cases."""
    verdict = judge(
        measurement("!.", unselected="+" * 760 + "-" * 240, digest="after"),
        measurement("!.", unselected="+" * 810 + "-" * 190, digest="before"),
        RULES,
    )
    assert verdict.passed
    assert verdict.status == "same"
    assert "clean accuracy" not in verdict.reason
    (clean,) = (one for one in verdict.metrics if one.metric == "clean accuracy")
    assert (clean.outcome, clean.fails, clean.worse) == ("regressed", False, True)
    line = clean.text.replace(" %", "%")
    low, high = (f"{100 * end:+.1f}" for end in paired_rates(760, 0, 50, 190))
    for number in ("clean accuracy 81.0% -> 76.0%", f"-5.0 pp [{low}, {high}]", "50 images lost", "0 won"):
        assert number in line


def test_without_unselected_images_clean_accuracy_is_not_spoken_of() -> None:
    assert compared("!.", "!.").metric("clean accuracy") is None


def test_a_rate_at_which_no_image_changed_is_said_without_an_arrow() -> None:
    verdict = compared("!!..", "!!..", unselected="+++-")
    assert success(verdict).text == "success rate 50.0%, no image changed"
    assert (verdict.metric("clean accuracy") or success(verdict)).text == "clean accuracy 75.0%, no image changed"
    assert "2 images lost" in success(compared("!!..", "..!!")).text

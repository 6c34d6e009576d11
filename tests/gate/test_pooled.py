"""Several cases together: the image is the unit, so that cases which fail on the same images count once."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists, Pair, pair
from pytest_robustness.gate.pooled import judge_pooled
from pytest_robustness.gate.statistics import pooled_change
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, flips, images, measurement
from tests.gate.strategies import comparisons, modest
from tests.suite.examples import folder

__all__ = ["folder"]  # a fixture

LEVEL = 0.025
RULES = Rules(Tolerances(), LEVEL)
Runs = tuple[str, str]


def together(cases: Sequence[Runs], rules: Rules = RULES) -> MetricVerdict | None:
    """The pooled verdict of cases, outcomes (before, after) for each."""
    return judge_pooled([paired(before, after) for before, after in cases], rules)


def paired(before: str, after: str, **changes: object) -> Pair:
    return pair(measurement(before), measurement(after, **changes), Lists())


def sure(cases: Sequence[Runs], rules: Rules = RULES) -> MetricVerdict:
    verdict = together(cases, rules)
    assert verdict is not None
    return verdict


@st.composite
def several(draw: st.DrawFn) -> list[Runs]:
    """Cases over the same images, in some of which an image may be no attempt."""
    images, cases = draw(st.integers(1, 60)), draw(st.integers(1, 4))
    random, lean = Random(draw(st.integers(0, 2**32))), draw(st.sampled_from((0.0, 0.3, 1.0)))
    drawn = []
    for _ in range(cases):
        before = random.choices(WRONG + WITHSTOOD + FOOLED, (1, 5, 5), k=images)
        after = random.choices(WRONG + WITHSTOOD + FOOLED, (1, 5, 5), k=images)
        after = [FOOLED if random.random() < lean else one for one in after]
        drawn.append(("".join(before), "".join(after)))
    return drawn


# --- recomputed --------------------------------------------------------------------------------------------------


def is_changed(before: str, after: str) -> bool:
    """Whether an image that is an attempt in both has another outcome."""
    return any(a != b and WRONG not in (a, b) for a, b in zip(before, after, strict=True))


def counted(cases: Sequence[Runs]) -> list[Runs]:
    """The cases that have a say: those in which an image changed, or all where there is none."""
    return [case for case in cases if is_changed(*case)] or list(cases)


@settings(max_examples=80, deadline=None)
@given(several(), st.sampled_from((0.2, 0.025, 1e-3)), st.sampled_from((0.0, 0.01, 0.2)))
def test_it_is_what_counting_says(cases: list[Runs], level: float, tolerance: float) -> None:
    found = together(cases, Rules(Tolerances(success_rate=tolerance), level))
    sums, count = [], 0
    own = counted(cases)
    for i in range(len(cases[0][0])):
        here = [(before[i], after[i]) for before, after in own if WRONG not in (before[i], after[i])]
        if here:
            sums.append(here.count((WITHSTOOD, FOOLED)) - here.count((FOOLED, WITHSTOOD)))
            count += len(here)
    if not count:
        assert found is None
        return
    assert found is not None
    change = sum(sums) / count
    p_value = float(flips(sums if change > 0 else [-one for one in sums]))
    direction = "regressed" if change > 0 else "improved"
    expected = "same" if abs(change) <= tolerance + 1e-9 else direction if p_value <= level else "inconclusive"
    assert found.p_value == pytest.approx(p_value, rel=1e-9)
    assert found.change == pytest.approx(change)
    assert found.images == len(sums)
    assert (found.outcome, found.fails) == (expected, expected == "regressed")
    assert found.interval == pytest.approx(pooled_change(sums, len(own), count))


@modest
@given(comparisons() | comparisons(won=(15, 30)))
def test_of_one_case_it_is_the_case_s_own_test(runs: Runs) -> None:
    found = together([runs])
    own = judge(measurement(runs[1]), measurement(runs[0]), RULES).metric("success rate")
    assert own is not None
    if found is None:
        assert own.p_value is None
        return
    if "robust accuracy fell" not in own.text:
        assert found.outcome == own.outcome
    assert (found.p_value, found.images, found.worse) == (own.p_value, own.images, own.worse)
    assert found.change == pytest.approx(own.change)
    if found.interval is not None and own.interval is not None:
        assert found.interval[0] <= own.interval[1]
        assert own.interval[0] <= found.interval[1]


# --- the image is the unit ---------------------------------------------------------------------------------------


@modest
@given(several(), st.integers(2, 5))
def test_a_case_seen_again_is_no_new_evidence(cases: list[Runs], times: int) -> None:
    once, often = together(cases), together(cases * times)
    if once is None or often is None:
        assert once is often
        return
    assert often.p_value == pytest.approx(once.p_value, rel=1e-9)
    assert often.change == pytest.approx(once.change)
    assert (often.interval or ()) == pytest.approx(once.interval or (), abs=1e-9)
    assert (often.outcome, often.images) == (once.outcome, once.images)


def test_cases_that_lose_the_same_images_are_worth_one_and_others_are_worth_more() -> None:
    then = WITHSTOOD * 100
    first, second = FOOLED * 5 + WITHSTOOD * 95, WITHSTOOD * 50 + FOOLED * 5 + WITHSTOOD * 45
    same, other = sure([(then, first)] * 2), sure([(then, first), (then, second)])
    assert same.p_value == pytest.approx(2**-5)
    assert other.p_value == pytest.approx(2**-10)
    assert (same.outcome, other.outcome) == ("inconclusive", "regressed")
    assert same.change == other.change == pytest.approx(0.05)


def test_a_change_too_small_for_each_case_may_be_beyond_doubt_in_all() -> None:
    then = WITHSTOOD * 100
    cases = [(then, WITHSTOOD * 4 * i + FOOLED * 4 + WITHSTOOD * (96 - 4 * i)) for i in range(3)]
    for before, after in cases:
        alone = judge(measurement(after), measurement(before), RULES).metric("success rate")
        assert alone is not None
        assert alone.outcome == "inconclusive"
    assert sure(cases).outcome == "regressed"
    assert sure(cases).p_value == pytest.approx(2**-12)


def test_an_image_that_one_case_loses_and_another_wins_has_no_say() -> None:
    images = WITHSTOOD * 40 + FOOLED * 40
    found = sure([(images, images[::-1]), (images[::-1], images)])
    assert (found.p_value, found.change, found.outcome) == (1.0, 0.0, "same")


def test_an_image_counts_in_the_cases_that_attempt_it() -> None:
    withstood, fooled, wrong = WITHSTOOD * 8, FOOLED * 8, WRONG * 8
    found = sure([(withstood + withstood, fooled + withstood), (wrong + withstood, withstood + withstood)])
    assert found.images == 16
    assert found.change == pytest.approx(8 / 16)  # the second has an image less and none that changed
    assert found.p_value == pytest.approx(2**-8)
    both = sure([(withstood + withstood, fooled + withstood), (wrong + withstood, withstood + fooled)])
    assert (both.images, both.change) == (16, pytest.approx(16 / 24))
    hidden = sure([(withstood + wrong, fooled + fooled), (withstood + fooled, wrong + wrong)])
    assert (hidden.images, hidden.change) == (8, 1.0)


def test_attacks_that_always_succeed_dilute_nothing() -> None:
    """Twelve of them, beside two in which 1.3 % of the images are lost."""
    then, now = WITHSTOOD * 1000, FOOLED * 13 + WITHSTOOD * 987
    alone = sure([(then, now), (then, now)])
    assert (alone.outcome, alone.change) == ("regressed", pytest.approx(0.013))
    constant = [(FOOLED * 1000, FOOLED * 1000)] * 12
    assert sure([*constant, (then, now), (then, now)]) == alone
    assert sure([(now, then), *constant, (now, then)]).outcome == "improved"
    withstood = [(then, then)] * 12  # and so do those that never succeed
    assert sure([*withstood, (then, now), (then, now)]) == alone
    assert sure(constant).change == 0.0
    assert sure([(then, now), (FOOLED + then[1:], then)]).change == pytest.approx(12 / 2000)  # one image is a change


@modest
@given(several(), st.sampled_from((FOOLED, WITHSTOOD)), st.integers(1, 12))
def test_a_case_in_which_no_image_changed_has_no_say(cases: list[Runs], outcome: str, times: int) -> None:
    constant = [(outcome * len(cases[0][0]),) * 2] * times
    if any(is_changed(*case) for case in cases):
        assert together([*cases, *constant]) == together(cases)


@settings(max_examples=60, deadline=None)
@given(several(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_order_of_cases_and_images_changes_nothing(cases: list[Runs], images: Random, order: Random) -> None:
    places = list(range(len(cases[0][0])))
    images.shuffle(places)
    mixed = [("".join(before[i] for i in places), "".join(after[i] for i in places)) for before, after in cases]
    order.shuffle(mixed)
    one, other = together(cases), together(mixed)
    if one is None or other is None:
        assert one is other
        return
    assert (other.p_value, other.change, other.outcome, other.images) == (
        one.p_value,
        one.change,
        one.outcome,
        one.images,
    )


@modest
@given(several())
def test_runs_exchanged_exchange_improved_and_regressed(cases: list[Runs]) -> None:
    forth, back = together(cases), together([(after, before) for before, after in cases])
    if forth is None or back is None:
        assert forth is back
        return
    exchanged = {"improved": "regressed", "regressed": "improved"}
    assert back.outcome == exchanged.get(forth.outcome, forth.outcome)
    assert back.p_value == forth.p_value


# --- sets that differ --------------------------------------------------------------------------------------------


@modest
@given(several(), st.randoms(use_true_random=False))
def test_cases_recorded_over_different_images_are_pooled_image_by_image(cases: list[Runs], random: Random) -> None:
    """Of each case the baseline has some of the run's images, in an order of its own."""
    count = len(cases[0][0])
    sums: dict[int, int] = {}
    comparisons, pairs = 0, []
    drawn = [(case, random.sample(range(count), random.randint(1, count))) for case in cases]
    changed = [is_changed(*("".join(run[i] for i in mine) for run in case)) for case, mine in drawn]
    for ((before, after), mine), has_say in zip(drawn, changed, strict=True):
        listed = images(tuple(mine))
        then, now = measurement("".join(before[i] for i in mine), listed=listed), measurement(after)
        pairs.append(pair(then, now, Lists([listed, images(count)])))
        for i in mine if has_say or not any(changed) else ():
            if WRONG not in (before[i], after[i]):
                comparisons += 1
                sums[i] = sums.get(i, 0) + (after[i] == FOOLED) - (before[i] == FOOLED)
    found = judge_pooled(pairs, RULES)
    if not comparisons:
        assert found is None
        return
    assert found is not None
    change = sum(sums.values()) / comparisons
    p_value = float(flips([one if change > 0 else -one for one in sums.values()]))
    assert found.change == pytest.approx(change)
    assert found.p_value == pytest.approx(p_value, rel=1e-9)
    assert found.images == len(sums)


def test_a_case_with_missing_images_leaves_nothing_to_say_unless_that_is_accepted() -> None:
    lists = Lists([images(6), images(7)])
    pairs = [
        paired("....!!", "!!!!!!"),
        pair(measurement("....!!."), measurement("!!!!!!"), lists),
    ]
    assert judge_pooled(pairs, RULES) is None
    accepted = judge_pooled(pairs, replace(RULES, accept_removed_images=True))
    assert accepted is not None
    assert accepted.images == 6


def test_pairs_of_two_runs_are_not_pooled() -> None:
    """A place says which image it is in one set only."""
    assert judge_pooled([paired("....!!", "!!!!!!"), paired("....!!!", "!!!!!!!")], RULES) is None


def test_a_case_that_has_no_success_rate_adds_nothing() -> None:
    smallest: dict[str, object] = {"attack": "FMN", "parameters": {"steps": 10}, "distance": "inf"}
    then, now = (measurement(one, protocol=smallest, distances=[1.0] * 6) for one in ("....!!", "!!!!!!"))
    without = pair(then, now, Lists())
    assert judge_pooled([paired("....!!", "...!!!"), without], RULES) == together([("....!!", "...!!!")])
    assert judge_pooled([without], RULES) is None


# --- nothing to say, and policies --------------------------------------------------------------------------------


def test_a_case_that_is_not_comparable_leaves_nothing_to_say() -> None:
    fine = paired("....!!", "!!!!!!")
    other = paired("....!!", "!!!!!!", protocol={"seed": 1})
    assert judge_pooled([fine, fine], RULES) is not None
    assert judge_pooled([fine, other], RULES) is None
    assert judge_pooled([other], RULES) is None


@pytest.mark.parametrize("cases", [[], [("----", "!!..")], [("!.--", "--!.")] * 2])
def test_without_an_attempt_in_both_runs_there_is_nothing_to_say(cases: list[Runs]) -> None:
    assert together(cases) is None


def test_a_case_without_attempts_adds_nothing() -> None:
    runs = ("." * 20, "!" * 10 + "." * 10)
    with_it, without = together([runs, ("-" * 20, "." * 20)]), together([runs])
    assert with_it is not None
    assert without is not None
    assert (with_it.change, with_it.p_value, with_it.outcome) == (without.change, without.p_value, without.outcome)


def test_policies_are_those_of_a_case() -> None:
    doubtful = [("." * 10, "!" * 2 + "." * 8)]
    assert (sure(doubtful).outcome, sure(doubtful).fails) == ("inconclusive", False)
    assert "images would settle it" in sure(doubtful).text
    strict, plain = replace(RULES, inconclusive_fails=True), replace(RULES, tolerance_only=True)
    assert (sure(doubtful, strict).outcome, sure(doubtful, strict).fails) == ("inconclusive", True)
    assert (sure(doubtful, plain).outcome, sure(doubtful, plain).fails) == ("regressed", True)
    back = [(after, before) for before, after in doubtful]
    assert not sure(back, strict).fails
    assert sure(back, plain).outcome == "improved"


def test_the_line_has_its_numbers() -> None:
    found = sure([("." * 50 + "!" * 50, "!" * 70 + "." * 30), ("." * 100, "!" * 50 + "." * 50)])
    differences = [2] * 50 + [0] * 20 + [-1] * 30
    low, high = (f"{100 * end:+.1f}" for end in pooled_change(differences, 2, 200))
    p_value = f"{float(flips(differences)):.2g}"
    assert found.text.replace(" %", "%") == f"success rate +35.0 pp [{low}, {high}] on 100 images, p = {p_value}"

"""Time's verdict is that of work, exact and image by image; a twin of effort takes effort's."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import DIFFERENCES, Rules, compare
from pytest_robustness.gate.statistics import relative_change
from pytest_robustness.gate.update import Update, line, to_write
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import BUDGET, FOOLED, WITHSTOOD, WRONG, flips, measurement
from tests.gate.strategies import modest

RULES = Rules(Tolerances(), 0.05 / 6)
#: A gradient costs a forward and a backward; forwards are counted beside them.
A_GRADIENT = 2


def run(forwards: Sequence[int | None], gradients: Sequence[int | None] | None, **changes: object) -> Measurement:
    """Of images all fooled, where nothing else is said; an image without work was wrong when clean."""
    outcomes = "".join(WRONG if one is None else FOOLED for one in forwards)
    return measurement(**{"outcomes": outcomes, "forwards": forwards, "gradients": gradients} | changes)


def time_of(now: Measurement, then: Measurement, rules: Rules = RULES) -> MetricVerdict:
    (found,) = (one for one in compare(then, now, rules) if one.metric == "time")
    return found


# --- effort's twin -----------------------------------------------------------------------------------------------


def pgd(efforts: Sequence[int], **changes: object) -> Measurement:
    """Until the first success: a gradient for each of an image's efforts, and a look more."""
    return run([one + 1 for one in efforts], efforts, efforts=efforts, **changes)


@pytest.mark.parametrize(
    ("efforts", "outcome"),
    [
        ([9] * 40, "regressed"),  # -10 %, beyond effort's tolerance and not beyond time's
        ([11] * 40, "improved"),
        ([10] * 39 + [9], "same"),
        ([0] * 3 + [10] * 37, "inconclusive"),
    ],
)
def test_where_work_is_effort_and_a_constant_its_verdict_is_effort_s(efforts: list[int], outcome: str) -> None:
    then, now = pgd([10] * 40, digest="before"), pgd(efforts, digest="after")
    verdict = judge(now, then, RULES)
    effort, time = verdict.metric("effort"), verdict.metric("time")
    assert effort is not None
    assert time is not None
    assert (time.outcome, time.worse) == (outcome, effort.worse)
    assert (time.change, time.interval, time.p_value) == (effort.change, effort.interval, effort.p_value)
    assert not time.fails  # effort's verdict does that
    assert effort.fails == (outcome == "regressed") == (not verdict.passed)
    assert time.text.startswith("time as effort: work 11.00 forwards and 10.00 gradients -> ")


def test_what_is_not_effort_at_every_image_has_a_verdict_of_its_own() -> None:
    then, now = pgd([10] * 40), pgd([9] * 40)
    for forwards in ([10] * 39 + [11], [10] * 39 + [9]):  # an image took a look more, or one less
        other = run(forwards, [9] * 40, efforts=[9] * 40)
        assert not time_of(other, then).text.startswith("time as effort")
        assert time_of(other, then).outcome == "same"  # 10 % less, time's tolerance is 20 %
    assert time_of(now, then).text.startswith("time as effort")


def test_more_work_for_less_effort_is_no_twin() -> None:
    """The opposite of effort, image by image: worse is not better."""
    then, now = run([10] * 40, [10] * 40, efforts=[10] * 40), run([20] * 40, [10] * 40, efforts=[5] * 40)
    found = time_of(now, then)
    assert (found.outcome, found.worse) == ("improved", False)
    assert found.change == pytest.approx(10 / 30)


def test_without_effort_work_is_judged_by_itself() -> None:
    unknown = [one.evidence.model_copy(update={"effort": None}) for one in (pgd([10] * 40), pgd([7] * 40))]
    then, now = (pgd([10] * 40).model_copy(update={"evidence": one, "budget": None}) for one in unknown)
    found = time_of(now, then)
    assert (found.outcome, found.fails) == ("regressed", True)
    assert found.change == pytest.approx((8 + 14) / (11 + 20) - 1)


# --- work that does not change -----------------------------------------------------------------------------------


def test_an_attack_of_constant_work_is_the_same_and_said_to_be() -> None:
    """A single step costs every image one gradient, whatever became of the model."""
    then = measurement(FOOLED * 40, budget=1, forwards=[2] * 40, gradients=[1] * 40, digest="before")
    now = measurement(WITHSTOOD * 40, budget=1, forwards=[2] * 40, gradients=[1] * 40, digest="after")
    found = time_of(now, then)
    assert (found.outcome, found.fails, found.worse, found.p_value) == ("same", False, False, None)
    assert found.images == 40
    assert found.text == "time: work is the same, 2.00 forwards and 1.00 gradients an attempt"


@modest
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12))
def test_equal_work_is_the_same_whatever_it_is(work: list[tuple[int, int]]) -> None:
    one = run(*map(list, zip(*work, strict=True)))
    assert time_of(one, one).outcome == "same"
    assert "work is the same" in time_of(one, one).text


# --- attacks that are only counted -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["forwards", "gradients", "both"])
@pytest.mark.parametrize("side", ["then", "now", "each"])
def test_what_is_only_counted_as_a_whole_is_shown_and_not_judged(missing: str, side: str) -> None:
    whole = run([3] * 40, [2] * 40)
    gone = {name: None for name in ("forwards", "gradients") if missing in (name, "both")}
    part = whole.model_copy(
        update={
            "evidence": whole.evidence.model_copy(update=gone),
            "timing": whole.timing.model_copy(update={"rows": 120}),
        }
    )
    found = time_of(part if side != "then" else whole, part if side != "now" else whole)
    assert (found.outcome, found.fails, found.p_value) == ("not judged", False, None)
    shown = {"then": "3.0 rows -> 0.0 rows", "now": "0.0 rows -> 3.0 rows", "each": "3.0 rows -> 3.0 rows"}[side]
    assert found.text == f"time not judged: the attack is only counted as a whole, {shown} an attempt"


def test_where_no_image_is_attempted_twice_there_is_nothing_to_judge() -> None:
    then, now = run([3, 3, None, None], [2, 2, None, None]), run([None, None, 3, 3], [None, None, 2, 2])
    assert time_of(now, then).text == "time not judged: no image can be compared"


def test_a_baseline_without_work_is_no_scale() -> None:
    found = time_of(run([3] * 40, [2] * 40), run([0] * 40, [0] * 40))
    assert (found.outcome, found.fails) == ("not judged", False)


# --- work that does ----------------------------------------------------------------------------------------------


def test_a_fall_of_work_beyond_time_s_tolerance_regresses_and_no_smaller_one() -> None:
    """Of 10 gradients and 10 forwards; the attack's efforts are the same."""
    for forwards, tolerance, outcome in ((3, 0.2, "regressed"), (5, 0.2, "same"), (5, 0.15, "regressed")):
        then, now = run([10] * 40, [10] * 40, digest="before"), run([forwards] * 40, [10] * 40, digest="after")
        verdict = judge(now, then, Rules(Tolerances(time=tolerance), 0.05 / 6))
        found = verdict.metric("time")
        assert found is not None
        assert (found.outcome, found.worse, found.fails) == (outcome, True, outcome == "regressed")
        assert verdict.passed == (outcome != "regressed")
        assert found.change == pytest.approx((forwards - 10) / 30)
        assert found.text.startswith(f"time 30.00 -> {forwards + 20:.2f} (")
        assert found.text.endswith(
            f"; work 10.00 forwards and 10.00 gradients -> {forwards:.2f} forwards and 10.00 gradients an attempt"
        )
    slower = time_of(run([30] * 40, [10] * 40), run([10] * 40, [10] * 40))
    assert (slower.outcome, slower.fails) == ("improved", False)


def test_a_fall_that_chance_explains_is_inconclusive() -> None:
    found = time_of(run([10] * 30 + [0] * 4, [10] * 30 + [0] * 4), run([10] * 34, [10] * 34))
    assert (found.outcome, found.p_value) == ("same", 2**-4)  # 11.8 %
    found = time_of(run([10] * 12 + [0] * 4, [10] * 12 + [0] * 4), run([10] * 16, [10] * 16))
    assert (found.outcome, found.p_value) == ("inconclusive", 2**-4)


work = st.none() | st.tuples(st.integers(0, 20), st.integers(0, 20))


@modest
@given(st.lists(st.tuples(work, work), min_size=1, max_size=12))
def test_it_is_the_paired_test_of_what_each_image_cost(images: list[tuple[tuple[int, int] | None, ...]]) -> None:
    """A gradient counts for three rows in all, one of which is among the forwards."""
    runs = [
        run(*([None if one is None else one[k] for one in side] for k in (0, 1))) for side in zip(*images, strict=True)
    ]
    found = time_of(runs[1], runs[0])
    both = [(a[0] + A_GRADIENT * a[1], b[0] + A_GRADIENT * b[1]) for a, b in images if a and b]
    fallen = [before - after for before, after in both]
    places = DIFFERENCES["time"](runs[0], runs[1])
    assert list(places.values()) == fallen
    assert list(places) == [i for i, (a, b) in enumerate(images) if a and b]
    assume(any(fallen) and sum(before for before, _ in both))
    total_before, total_after = (sum(side) for side in zip(*both, strict=True))
    assert found.change == pytest.approx(total_after / total_before - 1)
    assert found.p_value == pytest.approx(float(flips(fallen if sum(fallen) > 0 else [-one for one in fallen])))
    assert found.images == len(both)
    if len(both) > 1:
        assert found.interval == pytest.approx(relative_change(*zip(*both, strict=True)), abs=1e-9)


# --- what hangs on it --------------------------------------------------------------------------------------------


def test_no_clock_has_a_say() -> None:
    """Another device, a loaded machine, hours instead of minutes: the same work."""
    then, now = run([3] * 40, [2] * 40), run([3] * 40, [2] * 40, units=500.0, spread=9.0, doubt="load", device="a GPU")
    assert time_of(now, then).outcome == "same"
    assert time_of(run([1] * 40, [1] * 40, units=5.0), then).outcome == "regressed"


def test_a_case_whose_work_fell_is_recorded_and_marked() -> None:
    then, now = run([10] * 40, [10] * 40), run([3] * 40, [10] * 40)
    fell, rose = (Update(one, other, judge(one, other, RULES)) for one, other in ((now, then), (then, now)))
    assert list(to_write([fell, rose])) == [fell]
    (part,) = (part for part in line(fell).split("; ") if part.startswith("time"))
    assert "30.00 -> 23.00" in part
    assert line(fell).count("WORSE") == 1
    assert "WORSE" not in line(rose)


def test_an_image_never_fooled_costs_its_whole_budget_in_both() -> None:
    never = BUDGET + 1
    then = pgd([never] * 40, outcomes=WITHSTOOD * 40)
    now = pgd([4] * 20 + [never] * 20, outcomes=FOOLED * 20 + WITHSTOOD * 20)
    found = time_of(now, then)
    assert (found.outcome, found.p_value) == ("regressed", pytest.approx(2**-20))

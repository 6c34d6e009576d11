"""Effort, noise rate and time: what each is compared by, and when a change of it is believed."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import ALLOWED_REACH, LEAST_ROUNDS, Rules
from pytest_robustness.gate.statistics import relative_change
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import BUDGET, FOOLED, WITHSTOOD, WRONG, flips, measurement, tail
from tests.gate.strategies import modest

RULES = Rules(Tolerances(), 0.05 / 6)
CLOCK = replace(RULES, clock=True)


def metric(verdict: Verdict, name: str) -> MetricVerdict:
    found = verdict.metric(name)
    assert found is not None
    return found


def run(outcomes: str = FOOLED * 40, digest: str = "after", **changes: object) -> Measurement:
    return measurement(outcomes, digest=digest, **changes)


def baseline(outcomes: str = FOOLED * 40, **changes: object) -> Measurement:
    return run(outcomes, digest="before", **changes)


# --- effort and noise rate ---------------------------------------------------------------------------------------

EFFORTS: dict[str, tuple[list[int], str]] = {
    "nothing": ([10] * 40, "same"),
    "a little less": ([10, 10, 10, 9] * 10, "same"),  # -2.5 %
    "less": ([10, 10, 9, 8] * 10, "regressed"),  # -7.5 %
    "more": ([10, 10, 11, 12] * 10, "improved"),
    "none": ([0] * 40, "regressed"),
    "less of a few": ([0] * 4 + [10] * 36, "inconclusive"),  # -10 %, p = 1/16
    "more of a few": ([20] * 4 + [10] * 36, "inconclusive"),
    "less and more": ([0] * 21 + [20] * 18 + [10], "inconclusive"),
}


@pytest.mark.parametrize(("efforts", "outcome"), EFFORTS.values(), ids=EFFORTS)
def test_effort_needs_tolerance_and_test_and_less_is_worse(efforts: list[int], outcome: str) -> None:
    verdict = judge(run(efforts=efforts), baseline(efforts=[10] * 40), RULES)
    assert metric(verdict, "effort").outcome == outcome
    assert metric(verdict, "effort").worse == (sum(efforts) < 400)
    assert verdict.passed == (outcome != "regressed")


NOISES: dict[str, tuple[list[float], str]] = {
    "a little less": ([0.02, 0.02, 0.02, 0.019] * 10, "same"),
    "less": ([0.02, 0.02, 0.018, 0.016] * 10, "regressed"),
    "more": ([0.02, 0.02, 0.022, 0.024] * 10, "improved"),
    "less of a few": ([0.01] * 6 + [0.02] * 34, "inconclusive"),
    "more of a few": ([0.03] * 6 + [0.02] * 34, "inconclusive"),
}


@pytest.mark.parametrize(("noises", "outcome"), NOISES.values(), ids=NOISES)
def test_noise_rate_needs_tolerance_and_test_and_less_is_worse(noises: list[float], outcome: str) -> None:
    verdict = judge(run(noises=noises), baseline(noises=[0.02] * 40), Rules(Tolerances(), 0.01))
    assert metric(verdict, "noise rate").outcome == outcome
    assert metric(verdict, "noise rate").worse == (sum(noises) < 0.8)
    assert verdict.passed == (outcome != "regressed")


def test_the_suite_s_tolerances_decide() -> None:
    now = run(efforts=[9] * 40, noises=[0.018] * 40)
    then = baseline(efforts=[10] * 40, noises=[0.02] * 40)
    loose = Rules(Tolerances(effort=0.15, noise_rate=0.05), RULES.level)
    assert [metric(judge(now, then, loose), name).outcome for name in ("effort", "noise rate")] == ["same", "regressed"]
    loose = Rules(Tolerances(effort=0.05, noise_rate=0.15), RULES.level)
    assert [metric(judge(now, then, loose), name).outcome for name in ("effort", "noise rate")] == ["regressed", "same"]


@pytest.mark.parametrize("name", ["effort", "noise rate"])
def test_a_change_of_exactly_the_tolerance_is_within_it(name: str) -> None:
    then = baseline("!" * 1000, efforts=[10] * 1000, noises=[0.02] * 1000)
    for more, outcome in ((0, "same"), (2, "regressed")):
        efforts = [9] * (500 + more) + [10] * (500 - more)
        noises = [0.018] * (500 + more) + [0.02] * (500 - more)
        assert metric(judge(run("!" * 1000, efforts=efforts, noises=noises), then, RULES), name).outcome == outcome


values = st.none() | st.integers(1, 10)


@modest
@given(st.lists(st.tuples(values, values), max_size=14))
def test_noise_and_effort_are_means_over_images_with_values_in_both(pairs: list[tuple[int | None, int | None]]) -> None:
    def one(values: Sequence[int | None], digest: str) -> Measurement:
        outcomes = "".join("-" if value is None else FOOLED for value in values)
        noises = [None if value is None else value / 10_000 for value in values]
        return run(outcomes, digest, efforts=values, noises=noises)

    verdict = judge(one([b for _, b in pairs], "after"), one([a for a, _ in pairs], "before"), RULES)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    for name, scale in (("effort", 1), ("noise rate", 10_000)):
        found = metric(verdict, name)
        if not both:
            assert (found.outcome, found.before, found.after) == ("not judged", None, None)
            continue
        before, after = sum(a for a, _ in both), sum(b for _, b in both)
        assert found.before == pytest.approx(before / len(both) / scale)
        assert found.after == pytest.approx(after / len(both) / scale)
        assert found.change == pytest.approx(after / before - 1)
        assert f"on {len(both)} images" in found.text
        assert found.images == len(both)
        fallen = [a - b if after < before else b - a for a, b in both]
        assert found.p_value == pytest.approx(float(flips(fallen)))
        if len(both) > 1:
            assert found.interval == pytest.approx(relative_change(*zip(*both, strict=True)), abs=1e-9)


def test_an_image_fooled_at_once_that_was_never_fooled_before_counts_with_its_whole_budget() -> None:
    never = BUDGET + 1
    then = baseline(WITHSTOOD * 40, efforts=[never] * 40)
    now = run(FOOLED * 8 + WITHSTOOD * 32, efforts=[0] * 8 + [never] * 32)
    found = metric(judge(now, then, RULES), "effort")
    assert (found.before, found.after) == (never, pytest.approx(never * 32 / 40))
    assert found.p_value == pytest.approx(2**-8)
    assert found.outcome == "regressed"
    assert metric(judge(then, now, RULES), "effort").outcome == "improved"


def test_images_that_were_never_fooled_in_both_runs_are_ties() -> None:
    never = BUDGET + 1
    then = baseline(FOOLED * 10 + WITHSTOOD * 30, efforts=[5] * 10 + [never] * 30)
    now = run(FOOLED * 10 + WITHSTOOD * 30, efforts=[2] * 7 + [6] * 3 + [never] * 30)
    found = metric(judge(now, then, Rules(Tolerances(effort=0.01), 0.05)), "effort")
    assert found.p_value == pytest.approx(float(flips([3] * 7 + [-1] * 3)))
    assert found.change == pytest.approx((14 + 18 + 330) / 380 - 1)


def test_steps_of_one_are_counted_like_images_lost_and_won() -> None:
    then, now = baseline(efforts=[5] * 40), run(efforts=[4] * 25 + [6] * 10 + [5] * 5)
    assert metric(judge(now, then, RULES), "effort").p_value == pytest.approx(float(tail(25, 10)))
    assert metric(judge(then, now, RULES), "effort").p_value == pytest.approx(float(tail(25, 10)))


def test_the_last_digit_of_a_noise_rate_is_evidence() -> None:
    then, now = baseline(noises=[0.000010] * 40), run(noises=[0.000009] * 40)
    found = metric(judge(now, then, RULES), "noise rate")
    assert found.p_value == pytest.approx(2**-40)
    assert found.outcome == "regressed"


millionths = st.integers(1, 20)


@modest
@given(st.lists(st.tuples(millionths, millionths), min_size=1, max_size=14))
def test_noise_rates_are_compared_to_their_last_digit(pairs: list[tuple[int, int]]) -> None:
    then, now = ([value / 10**6 for value in values] for values in zip(*pairs, strict=True))
    found = metric(
        judge(run("!" * len(pairs), noises=now), baseline("!" * len(pairs), noises=then), RULES), "noise rate"
    )
    fallen = [before - after for before, after in pairs]
    assert found.p_value == pytest.approx(float(flips(fallen if sum(fallen) > 0 else [-one for one in fallen])))


def test_one_outlier_does_not_make_a_mean_regress() -> None:
    then = baseline(noises=[1.0] + [0.001] * 39)
    now = run(noises=[0.001] * 40)
    found = metric(judge(now, then, RULES), "noise rate")
    assert found.change is not None
    assert found.change < -0.9
    assert (found.outcome, found.p_value) == ("inconclusive", 0.5)


def test_effort_of_a_single_step_is_not_spoken_of() -> None:
    now, then = run(efforts=[0] * 40, budget=1), baseline(efforts=[1] * 40, budget=1)
    assert judge(now, then, RULES).metric("effort") is None
    two = judge(run(efforts=[0] * 40, budget=2), baseline(efforts=[1] * 40, budget=2), RULES)
    assert metric(two, "effort").outcome == "regressed"


def test_effort_that_an_attack_cannot_tell_is_not_spoken_of() -> None:
    known = baseline()
    unknown = known.model_copy(update={"budget": None, "evidence": known.evidence.model_copy(update={"effort": None})})
    for now, then in ((unknown, unknown), (unknown, known), (known, unknown)):
        assert judge(now, then, RULES).metric("effort") is None


def test_a_baseline_of_zero_is_no_scale_for_a_change() -> None:
    verdict = judge(run(efforts=[1] * 40, noises=[0.1] * 40), baseline(efforts=[0] * 40, noises=[0.0] * 40), RULES)
    assert metric(verdict, "effort").outcome == "not judged"
    assert metric(verdict, "noise rate").outcome == "not judged"
    assert verdict.passed


def test_a_fallen_noise_rate_fails_with_its_numbers() -> None:
    verdict = judge(run(noises=[0.016, 0.014] * 20), baseline(noises=[0.02] * 40), RULES)
    assert not verdict.passed
    assert verdict.status == "regressed"
    low, high = (100 * end for end in relative_change([0.02] * 40, [0.016, 0.014] * 20) or ())
    numbers = (f"-25.0% [{low:+.1f}%, {high:+.1f}%]", "0.02000 -> 0.01500", "40 images", f"p = {2**-40:.2g}")
    for number in numbers:
        assert number in verdict.reason.replace(" %", "%")


def test_a_single_image_has_no_interval_and_settles_nothing() -> None:
    found = metric(judge(run("!", efforts=[1]), baseline("!", efforts=[10]), RULES), "effort")
    assert (found.outcome, found.interval, found.p_value) == ("inconclusive", None, 0.5)


def test_a_doubtful_effort_says_how_many_images_would_settle_it() -> None:
    found = metric(judge(run(efforts=[0] * 4 + [10] * 36), baseline(efforts=[10] * 40), RULES), "effort")
    assert found.text.endswith("images would settle it)")
    assert int(found.text.split(" images would settle it")[0].split()[-1]) > 40


@given(st.integers(1, 40))
def test_a_p_value_of_exactly_the_level_is_evidence_enough(images: int) -> None:
    """A test at a level alarms at a p value up to and including it."""
    level = 0.5**images  # of as many images, all of them lost
    now, then = run(FOOLED * images), baseline(WITHSTOOD * images)
    for allowed, outcome in ((level, "regressed"), (math.nextafter(level, 0), "inconclusive")):
        found = metric(judge(now, then, Rules(Tolerances(), allowed)), "success rate")
        assert (found.p_value, found.outcome) == (level, outcome)


# --- time by the clock -------------------------------------------------------------------------------------------


def timed(
    before: dict[str, object], after: dict[str, object], tolerance: float = 0.2, batches: int = 4
) -> MetricVerdict:
    images = FOOLED * 5 * batches
    now, then = run(images, rounds=batches, **after), baseline(images, rounds=batches, **before)
    verdict = judge(now, then, replace(CLOCK, tolerances=Tolerances(time=tolerance)))
    found = metric(verdict, "time")
    assert verdict.passed == (found.outcome != "regressed")
    return found


@pytest.mark.parametrize(
    ("units", "outcome"),
    [
        (5.0, "same"),
        (4.0, "same"),
        (4.05, "same"),
        (6.0, "same"),
        (3.95, "regressed"),
        (6.05, "improved"),
        (0.1, "regressed"),
    ],
)
def test_time_is_compared_both_ways_at_its_tolerance(units: float, outcome: str) -> None:
    found = timed({"units": 5.0}, {"units": units})
    assert found.outcome == outcome
    assert found.worse == (units < 5)
    assert found.change == pytest.approx(units / 5 - 1)
    assert f"5.00 -> {units:.2f} gradient units" in found.text


def test_time_follows_the_suite_s_tolerance() -> None:
    assert timed({"units": 5.0}, {"units": 4.0}, tolerance=0.25).outcome == "same"
    assert timed({"units": 5.0}, {"units": 4.0}, tolerance=0.15).outcome == "regressed"


UNTIMED: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "another device": ({"device": "a GPU"}, {}, "recorded on a GPU"),
    "more threads": ({"threads": 1}, {"threads": 2}, "recorded on 1 thread, now on 2 threads"),
    "threads that nobody noted": ({"threads": None}, {"threads": 2}, "recorded on unknown threads, now on 2 threads"),
    "a wide spread": ({}, {"spread": 0.5}, "known to 61% only, not to 10%"),
    "a baseline's wide spread": ({"spread": 0.5}, {}, "known to 61% only, not to 10%"),
    "a doubt": ({}, {"doubt": "several workers share a GPU"}, "several workers share a GPU"),
    "a baseline's doubt": ({"doubt": "several workers share a GPU"}, {}, "several workers share a GPU"),
}


@pytest.mark.parametrize(("before", "after", "reason"), UNTIMED.values(), ids=UNTIMED)
def test_time_is_not_judged_where_it_means_little_and_says_why(
    before: dict[str, object], after: dict[str, object], reason: str
) -> None:
    found = timed({"units": 5.0} | before, {"units": 1.0} | after)
    assert found.outcome == "not judged"
    assert reason in found.text.replace(" %", "%")
    assert "5.00 -> 1.00" in found.text


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        ({"spread": 0.5}, {}, True),
        ({"spread": 0.5}, {"spread": 0.5}, False),
        ({}, {"spread": 0.5}, False),
        ({"spread": 0.5, "device": "a GPU"}, {}, False),
        ({"units": None}, {}, True),
        ({"units": None}, {"units": None}, False),
        ({}, {}, False),
    ],
)
def test_a_baseline_no_time_can_be_held_against_is_named_and_recorded_anew(
    before: dict[str, object], after: dict[str, object], anew: bool
) -> None:
    found = timed({"units": 5.0} | before, {"units": 5.0} | after)
    assert found.record_anew == anew == ("the next update records it anew" in found.text)


@pytest.mark.parametrize(("before", "after"), [(None, 5.0), (5.0, None), (None, None)])
def test_time_that_was_not_taken_is_not_judged(before: float | None, after: float | None) -> None:
    assert timed({"units": before}, {"units": after}).outcome == "not judged"


@pytest.mark.parametrize(("before", "after", "judged"), [(3, 4, False), (4, 3, False), (4, 4, True), (9, 4, True)])
def test_a_few_rounds_do_not_tell_how_much_their_time_varies(before: int, after: int, judged: bool) -> None:
    assert LEAST_ROUNDS == 4
    found = metric(judge(run(rounds=after, spread=0.0), baseline(rounds=before, spread=0.0), CLOCK), "time")
    assert (found.outcome == "same") == judged
    assert ("fewer than 4 rounds" in found.text) != judged


def test_a_time_of_more_rounds_is_known_better() -> None:
    """Of the ratio of two medians, each with its own number of rounds."""
    now, then = run(rounds=16, spread=0.04), baseline(rounds=4, spread=0.03)
    found = metric(judge(now, then, Rules(Tolerances(time=0.3), 0.01, clock=True)), "time")
    reach = 1.96 * 1.2533 * ((0.04 / 4) ** 2 + (0.03 / 2) ** 2) ** 0.5
    assert found.interval == pytest.approx((-reach, reach), abs=1e-4)


@pytest.mark.parametrize("batches", [4, 9, 100])
@pytest.mark.parametrize("tolerance", [0.1, 0.2])
def test_the_spread_that_is_allowed_grows_with_the_root_of_the_batches(batches: int, tolerance: float) -> None:
    assert ALLOWED_REACH == 0.5
    allowed = 0.5 * tolerance * batches**0.5 / 1.96 / 1.2533
    for shares in ((1.0, 0.0), (0.0, 1.0), (0.6, 0.8)):
        for factor, outcome in ((0.99, "same"), (1.01, "not judged")):
            before, after = ({"spread": factor * share * allowed} for share in shares)
            assert timed(before, after, tolerance, batches).outcome == outcome


def test_a_time_that_is_judged_is_known_as_well_as_it_says() -> None:
    draws = np.random.default_rng(3)
    batches, spread = 9, 0.05
    drawn = np.median(draws.normal(5, 5 * spread, (2, 600, batches)), axis=2)
    held = 0
    for before, after in drawn.T.tolist():
        found = timed({"units": before, "spread": spread}, {"units": after, "spread": spread}, batches=batches)
        assert found.interval is not None
        held += found.interval[0] <= 0 <= found.interval[1]
    assert 0.93 <= held / drawn.shape[1] <= 0.985


def test_the_interval_of_a_time_is_of_the_ratio() -> None:
    """Of medians of nine batches: 1.2533 standard errors of a mean, of the quotient of two."""
    found = timed({"units": 5.0, "spread": 0.03}, {"units": 10.0, "spread": 0.04}, batches=9)
    reach = 1.96 * 1.2533 * 0.05 / 3
    assert found.change == 1
    assert found.interval == pytest.approx((2 * (1 - reach) - 1, 2 * (1 + reach) - 1), abs=1e-4)


def test_of_two_doubts_today_s_is_said() -> None:
    assert timed({"doubt": "several workers share a GPU"}, {"doubt": "a busy machine"}).text.endswith(
        ", a busy machine"
    )


def test_an_unknown_spread_is_no_spread() -> None:
    assert timed({"spread": None}, {"spread": None}).outcome == "same"


def test_an_attack_that_became_slower_does_not_fail() -> None:
    assert timed({"units": 5.0}, {"units": 50.0}).outcome == "improved"


# --- all of them -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [RULES, CLOCK], ids=["work", "clock"])
def test_metrics_are_shown_in_one_order_whatever_happened(rules: Rules) -> None:
    names = ["success rate", "robust accuracy", "effort", "noise rate", "time", "clean accuracy"]
    for outcomes, others in ((FOOLED * 4, False), (WITHSTOOD * 4, False), (FOOLED + WRONG * 3, True)):
        found = judge(run(outcomes, unselected="+"), baseline(unselected="+", outcomes="!!!!"), rules).metrics
        assert [one.metric for one in found] == [name for name in names if others or name != "robust accuracy"]
    nothing = judge(run(WRONG * 4, unselected="+"), baseline(unselected="+", outcomes="!!!!"), rules).metrics
    assert [one.metric for one in nothing] == [name for name in names if name != "robust accuracy"]

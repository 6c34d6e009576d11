"""Distance: log ratios image by image, and what is said of images that were found in one run only."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.statistics import log_change
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, flips, measurement
from tests.gate.strategies import modest

RULES = Rules(Tolerances(), 0.05 / 6)
FMN: dict[str, object] = {"attack": "FMN", "parameters": {"steps": 10}, "distance": "inf"}
#: Hundredths.
hundredths = st.none() | st.integers(1, 200).map(lambda value: value / 100)


def found(values: list[float | None], digest: str = "after", **changes: object) -> Measurement:
    """Every image is attacked; those with a distance are fooled."""
    outcomes = "".join(WITHSTOOD if value is None else FOOLED for value in values)
    return measurement(outcomes, digest=digest, distances=values, **{"protocol": FMN} | changes)


def distance(verdict: Verdict) -> MetricVerdict:
    metric = verdict.metric("distance")
    assert metric is not None
    return metric


def compared(before: list[float | None], after: list[float | None], rules: Rules = RULES) -> MetricVerdict:
    return distance(judge(found(after), found(before, "before"), rules))


@modest
@given(st.lists(st.tuples(hundredths, hundredths), min_size=1, max_size=12))
def test_it_is_the_geometric_mean_of_the_ratios_of_images_found_in_both(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    seen = compared([a for a, _ in pairs], [b for _, b in pairs])
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    before_only, now_only = sum(a is not None for a, _ in pairs), sum(b is not None for _, b in pairs)
    for count, when in ((before_only - len(both), "before"), (now_only - len(both), "now")):
        assert (f"{count} found only {when}" in seen.text) == (count > 0)
    if not both:
        assert seen.outcome == "not judged"
        return
    before, after = (np.prod(values) ** (1 / len(both)) for values in zip(*both, strict=True))
    assert (seen.before, seen.after) == pytest.approx((before, after))
    assert seen.change == pytest.approx(after / before - 1, abs=1e-9)
    assert seen.images == len(both)
    assert f"on {len(both)} images" in seen.text
    ratios = [math.log(b / a) for a, b in both]
    assert (seen.interval or ()) == pytest.approx(log_change(ratios) or (), abs=1e-9)
    steps = [round(ratio * 10**6) for ratio in ratios]
    nearer = [-step for step in steps] if seen.worse else steps
    assert seen.p_value == pytest.approx(float(flips(nearer)), rel=1e-6, abs=2e-3)  # on the grid of the test


OUTCOMES: dict[str, tuple[list[float], str]] = {
    "nothing": ([0.01] * 40, "same"),
    "a little nearer": ([0.0096] * 40, "same"),
    "exactly the tolerance": ([0.0095] * 40, "same"),
    "nearer": ([0.0094] * 40, "regressed"),
    "farther": ([0.0106] * 40, "improved"),
    "one much nearer": ([0.0001] + [0.01] * 39, "inconclusive"),
    "half of them": ([0.005] * 20 + [0.02] * 20, "same"),
}


@pytest.mark.parametrize(("after", "outcome"), OUTCOMES.values(), ids=OUTCOMES)
def test_it_needs_tolerance_and_test_and_nearer_is_worse(after: list[float], outcome: str) -> None:
    verdict = judge(found(after), found([0.01] * 40, "before"), RULES)
    assert distance(verdict).outcome == outcome
    assert verdict.passed == (outcome != "regressed")
    assert verdict.status == outcome or outcome == "inconclusive"


def test_the_suite_s_tolerance_decides() -> None:
    for tolerance, outcome in ((0.05, "regressed"), (0.15, "same")):
        rules = Rules(Tolerances(distance=tolerance), RULES.level)
        assert compared([0.01] * 40, [0.009] * 40, rules).outcome == outcome


@modest
@given(st.lists(st.tuples(hundredths, hundredths), min_size=1, max_size=30))
def test_runs_exchanged_turn_the_ratio_over(pairs: list[tuple[float | None, float | None]]) -> None:
    forth = compared([a for a, _ in pairs], [b for _, b in pairs])
    back = compared([b for _, b in pairs], [a for a, _ in pairs])
    if forth.change is None or back.change is None:
        assert forth.change is back.change
        return
    assert (1 + forth.change) * (1 + back.change) == pytest.approx(1)
    assert forth.p_value == back.p_value


def test_the_line_has_its_numbers() -> None:
    seen = compared([0.0123] * 98 + [None, 0.5], [0.0118] * 98 + [0.5, None])
    assert seen.text == (
        "distance 0.0123 -> 0.0118 (-4.1% [-4.1%, -4.1%] on 98 images, 1 found only before, 1 found only now, "
        f"p = {2**-98:.2g})"
    )


def test_images_found_in_one_run_only_decide_nothing_and_are_said() -> None:
    seen = compared([0.01] * 10 + [0.01] * 90, [0.01] * 10 + [None] * 90)
    assert (seen.outcome, seen.images) == ("same", 10)
    assert "90 found only before" in seen.text
    none = compared([0.01, None], [None, 0.01])
    assert none.text == "distance not judged: no image can be compared, 1 found only before, 1 found only now"


def test_a_distance_of_nothing_has_no_ratio() -> None:
    seen = compared([0.0, 0.01, 0.01], [0.01, 0.0, 0.01])
    assert (seen.images, seen.change) == (1, 0.0)
    assert "1 found only before, 1 found only now" in seen.text


def test_an_attack_without_distances_is_not_spoken_of() -> None:
    assert judge(measurement("!!.."), measurement("!!.."), RULES).metric("distance") is None


@pytest.mark.parametrize("protocol", [FMN, {"attack": "CW", "parameters": {"c": 1.0}, "distance": "2"}])
def test_a_model_that_gets_nothing_right_any_more_fails_once(protocol: dict[str, object]) -> None:
    then, now = (
        measurement(one, digest=one, distances=values, protocol=protocol)
        for one, values in (("!!", [1.0, 1.0]), ("--", [None, None]))
    )
    verdict = judge(now, then, RULES)
    assert not verdict.passed
    assert verdict.reason == "vgg11/pgd: none of the 2 images attacked before is classified correctly any more"


# --- success rates -----------------------------------------------------------------------------------------------

SUCCESS: dict[str, tuple[dict[str, object], bool]] = {
    "an attack that goes as far as it has to": (FMN, False),
    "one that stays within an epsilon": (FMN | {"parameters": {"eps": 0.01, "steps": 10}}, True),
    "C&W at its fixed c": ({"attack": "CW", "parameters": {"c": 1.0}, "distance": "2"}, True),
    "a library's C&W": ({"attack": "foolbox:CW", "parameters": {"c": 1.0}, "distance": "2"}, False),
    "PGD": ({}, True),
}


@pytest.mark.parametrize(("protocol", "rated"), SUCCESS.values(), ids=SUCCESS)
def test_a_success_rate_is_judged_where_it_says_anything(protocol: dict[str, object], rated: bool) -> None:
    one_step: dict[str, object] = {"protocol": protocol, "budget": 1}  # of which no effort is compared
    now, then = found([None] * 40 + [1.0] * 60, **one_step), found([1.0] * 100, "before", **one_step)
    limited = Rules(Tolerances(), RULES.level, max_success_rate=0.1)
    for one, other in ((now, then), (then, now)):
        assert one.has_success_rate == rated
        verdict = judge(one, other, limited)
        names = {metric.metric for metric in verdict.metrics}
        assert {"success rate", "limit"} <= names if rated else names.isdisjoint({"success rate", "limit"})
        assert verdict.metrics[0].metric == ("success rate" if rated else "distance")
        assert verdict.passed != rated

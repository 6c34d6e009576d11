"""Effort, noise rate and time, and what is said of a case as a whole."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.judge import ALLOWED_SPREAD, Rules, judge
from pytest_robustness.gate.verdicts import MetricVerdict, Verdict
from pytest_robustness.records import Measurement
from pytest_robustness.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, measurement
from tests.gate.strategies import modest

RULES = Rules(Tolerances(), 0.05 / 6)


def metric(verdict: Verdict, name: str) -> MetricVerdict:
    found = verdict.metric(name)
    assert found is not None
    return found


def run(outcomes: str = "!!!!", digest: str = "after", **changes: object) -> Measurement:
    return measurement(outcomes, digest=digest, **changes)


def baseline(outcomes: str = "!!!!", **changes: object) -> Measurement:
    return run(outcomes, digest="before", **changes)


# --- effort and noise rate ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("efforts", "outcome"),
    [
        ([10, 10, 10, 10], "same"),
        ([10, 10, 10, 9], "same"),  # -2.5 %
        ([10, 10, 9, 8], "regressed"),  # -7.5 %
        ([10, 10, 11, 12], "improved"),
        ([0, 0, 0, 0], "regressed"),
    ],
)
def test_effort_is_compared_by_tolerance_and_less_is_worse(efforts: list[int], outcome: str) -> None:
    verdict = judge(run(efforts=efforts), baseline(efforts=[10, 10, 10, 10]), RULES)
    assert metric(verdict, "effort").outcome == outcome
    assert verdict.passed == (outcome != "regressed")


@pytest.mark.parametrize(
    ("noises", "outcome"),
    [
        ([0.02, 0.02, 0.02, 0.019], "same"),
        ([0.02, 0.02, 0.018, 0.016], "regressed"),
        ([0.02, 0.02, 0.022, 0.024], "improved"),
    ],
)
def test_noise_rate_is_compared_by_tolerance_and_less_is_worse(noises: list[float], outcome: str) -> None:
    verdict = judge(run(noises=noises), baseline(noises=[0.02] * 4), RULES)
    assert metric(verdict, "noise rate").outcome == outcome
    assert verdict.passed == (outcome != "regressed")


def test_the_suite_s_tolerances_decide() -> None:
    now, then = run(efforts=[9, 9, 9, 9], noises=[0.018] * 4), baseline(efforts=[10] * 4, noises=[0.02] * 4)
    loose = Rules(Tolerances(effort=0.15, noise_rate=0.05), RULES.level)
    assert [metric(judge(now, then, loose), name).outcome for name in ("effort", "noise rate")] == ["same", "regressed"]
    loose = Rules(Tolerances(effort=0.05, noise_rate=0.15), RULES.level)
    assert [metric(judge(now, then, loose), name).outcome for name in ("effort", "noise rate")] == ["regressed", "same"]


values = st.none() | st.integers(1, 10)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(values, values), max_size=12))
def test_noise_and_effort_are_means_over_images_with_values_in_both(pairs: list[tuple[int | None, int | None]]) -> None:
    def one(values: Sequence[int | None], digest: str) -> Measurement:
        outcomes = "".join("-" if value is None else FOOLED for value in values)
        noises = [None if value is None else value / 100 for value in values]
        return run(outcomes, digest, efforts=values, noises=noises)

    verdict = judge(one([b for _, b in pairs], "after"), one([a for a, _ in pairs], "before"), RULES)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    for name, scale in (("effort", 1), ("noise rate", 100)):
        found = metric(verdict, name)
        if not both:
            assert (found.outcome, found.before, found.after) == ("not judged", None, None)
            continue
        before, after = sum(a for a, _ in both), sum(b for _, b in both)
        assert found.before == pytest.approx(before / len(both) / scale)
        assert found.after == pytest.approx(after / len(both) / scale)
        assert found.change == pytest.approx(after / before - 1)
        assert f"on {len(both)} images" in found.text


def test_effort_of_a_single_step_is_not_spoken_of() -> None:
    now, then = run(efforts=[0, 0, 0, 0], budget=1), baseline(efforts=[1, 1, 1, 1], budget=1)
    assert judge(now, then, RULES).metric("effort") is None
    two = judge(run(efforts=[0] * 4, budget=2), baseline(efforts=[1] * 4, budget=2), RULES)
    assert metric(two, "effort").outcome == "regressed"


def test_effort_that_an_attack_cannot_tell_is_not_spoken_of() -> None:
    known = baseline()
    unknown = known.model_copy(update={"budget": None, "evidence": known.evidence.model_copy(update={"effort": None})})
    for now, then in ((unknown, unknown), (unknown, known), (known, unknown)):
        assert judge(now, then, RULES).metric("effort") is None


def test_a_baseline_of_zero_is_no_scale_for_a_change() -> None:
    verdict = judge(run(efforts=[1] * 4, noises=[0.1] * 4), baseline(efforts=[0] * 4, noises=[0.0] * 4), RULES)
    assert metric(verdict, "effort").outcome == "not judged"
    assert metric(verdict, "noise rate").outcome == "not judged"
    assert verdict.passed


def test_a_fallen_noise_rate_fails_with_its_numbers() -> None:
    verdict = judge(run(noises=[0.015] * 4), baseline(noises=[0.02] * 4), RULES)
    assert not verdict.passed
    assert verdict.word == "regressed"
    for number in ("0.02000 -> 0.01500", "25.0", "4 images"):
        assert number in verdict.reason


# --- time --------------------------------------------------------------------------------------------------------


def timed(before: dict[str, object], after: dict[str, object], tolerance: float = 0.2) -> MetricVerdict:
    verdict = judge(run(**after), baseline(**before), Rules(Tolerances(time=tolerance), RULES.level))
    found = metric(verdict, "time")
    assert verdict.passed == (found.outcome != "regressed")
    return found


@pytest.mark.parametrize(
    ("units", "outcome"),
    [(5.0, "same"), (4.05, "same"), (5.95, "same"), (3.95, "regressed"), (6.05, "improved"), (0.1, "regressed")],
)
def test_time_is_compared_both_ways_at_its_tolerance(units: float, outcome: str) -> None:
    found = timed({"units": 5.0}, {"units": units})
    assert found.outcome == outcome
    assert found.change == pytest.approx(units / 5 - 1)
    assert f"5.00 -> {units:.2f} gradient units" in found.text


def test_time_follows_the_suite_s_tolerance() -> None:
    assert timed({"units": 5.0}, {"units": 4.0}, tolerance=0.25).outcome == "same"
    assert timed({"units": 5.0}, {"units": 4.0}, tolerance=0.15).outcome == "regressed"


WIDE = 0.2 * ALLOWED_SPREAD + 0.01
UNTIMED: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "another device": ({"device": "a GPU"}, {}, "a GPU"),
    "a wide spread": ({}, {"spread": WIDE}, "spread"),
    "a baseline's wide spread": ({"spread": WIDE}, {}, "spread"),
    "a doubt": ({}, {"doubt": "several workers share a GPU"}, "several workers share a GPU"),
    "a baseline's doubt": ({"doubt": "several workers share a GPU"}, {}, "several workers share a GPU"),
}


@pytest.mark.parametrize(("before", "after", "reason"), UNTIMED.values(), ids=UNTIMED)
def test_time_is_not_judged_where_it_means_little_and_says_why(
    before: dict[str, object], after: dict[str, object], reason: str
) -> None:
    found = timed({"units": 5.0} | before, {"units": 1.0} | after)
    assert found.outcome == "not judged"
    assert reason in found.text
    assert "5.00 -> 1.00" in found.text


@pytest.mark.parametrize(("before", "after"), [(None, 5.0), (5.0, None), (None, None)])
def test_time_that_was_not_taken_is_not_judged(before: float | None, after: float | None) -> None:
    assert timed({"units": before}, {"units": after}).outcome == "not judged"


def test_an_unknown_spread_is_no_spread() -> None:
    assert timed({"spread": None}, {"spread": None}).outcome == "same"


def test_a_wider_tolerance_allows_a_wider_spread() -> None:
    assert timed({}, {"spread": WIDE}, tolerance=0.4).outcome == "same"


def test_an_attack_that_became_slower_does_not_fail() -> None:
    assert judge(run(units=50.0), baseline(units=5.0), RULES).passed


# --- the case ----------------------------------------------------------------------------------------------------


def test_without_a_baseline_a_case_fails() -> None:
    verdict = judge(run(), None, RULES)
    assert (verdict.passed, verdict.word, verdict.metrics) == (False, "no baseline", [])
    assert verdict.reason == "vgg11/pgd: no baseline"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed: 0 is now 1"),
        ({"batch_size": 50, "seed": 1}, "batch_size: 100 is now 50"),
        ({"parameters": {"eps": 0.02}}, "parameters.alpha: 0.0025 is now null"),
        ({"stop": "full"}, 'stop: "first-success" is now "full"'),
    ],
)
def test_another_protocol_is_not_comparable_and_its_first_key_is_named(change: dict[str, object], named: str) -> None:
    for outcomes in ("!!!!", "....", "----"):
        verdict = judge(run(outcomes, protocol=change), baseline(), RULES)
        assert (verdict.passed, verdict.word, verdict.metrics) == (False, "not comparable", [])
        assert named in verdict.reason
        assert "re-record" in verdict.reason


def test_an_image_set_of_another_size_is_not_comparable() -> None:
    verdict = judge(run("!!!!!"), baseline("!!!!"), RULES)
    assert verdict.word == "not comparable"
    assert "images.count: 4 is now 5" in verdict.reason


DRIFTS: dict[str, dict[str, object]] = {
    "success rate up": {"outcomes": FOOLED * 60 + WITHSTOOD * 40},
    "success rate down": {"outcomes": FOOLED * 40 + WITHSTOOD * 60},
    "success rate a little up": {"outcomes": FOOLED * 52 + WITHSTOOD * 48},
    "effort": {"efforts": [1] * 100},
    "noise rate": {"noises": [0.1] * 50 + [None] * 50},
    "clean accuracy": {"unselected": "+" * 50 + "-" * 50},
}


@pytest.mark.parametrize("change", DRIFTS.values(), ids=DRIFTS)
def test_a_value_that_moves_with_the_weights_unchanged_is_drift_and_fails(change: dict[str, object]) -> None:
    usual = {"outcomes": FOOLED * 50 + WITHSTOOD * 50, "unselected": "+" * 100}
    then = measurement(**usual)
    verdict = judge(measurement(**usual | change), then, RULES)
    assert (verdict.passed, verdict.word) == (False, "drifted")
    assert "weights and code are unchanged" in verdict.reason
    assert "environment" in verdict.reason
    assert " -> " in verdict.reason
    for other in ({"digest": "other"}, {"code": "other"}, {"code": None}):
        verdict = judge(measurement(**usual | change | other), then, RULES)
        assert verdict.word != "drifted"
        assert "unchanged" not in verdict.reason


@pytest.mark.parametrize("code", ["code digest", "another torch has other operators", None])
def test_with_another_torch_the_weights_alone_tell_drift(code: str | None) -> None:
    then = measurement(FOOLED * 50 + WITHSTOOD * 50)
    verdict = judge(measurement(FOOLED * 80 + WITHSTOOD * 20, code=code, torch="2.15.0"), then, RULES)
    assert verdict.word == "drifted"
    assert "weights are unchanged" in verdict.reason


def test_code_that_cannot_be_followed_is_not_called_unchanged() -> None:
    then = measurement(FOOLED * 50 + WITHSTOOD * 50, code=None)
    verdict = judge(measurement(FOOLED * 80 + WITHSTOOD * 20, code=None), then, RULES)
    assert verdict.word == "regressed"


def test_drift_names_what_moved_around_the_model() -> None:
    then = measurement(FOOLED * 50 + WITHSTOOD * 50)
    now = measurement(FOOLED * 80 + WITHSTOOD * 20, torch="2.15.0", device="a GPU")
    reason = judge(now, then, RULES).reason
    assert "torch 2.14.1 -> 2.15.0" in reason
    assert "device a CPU -> a GPU" in reason
    assert "attacks" not in reason


def test_a_move_within_tolerance_is_no_drift_and_neither_is_time() -> None:
    then = measurement(FOOLED * 500 + WITHSTOOD * 500)
    assert judge(measurement(FOOLED * 505 + WITHSTOOD * 495), then, RULES).passed
    assert judge(measurement(FOOLED * 500 + WITHSTOOD * 500, units=1.0), then, RULES).word != "drifted"


def test_all_that_regressed_is_in_the_reason_and_nothing_else() -> None:
    then = baseline(FOOLED * 50 + WITHSTOOD * 50, unselected="+" * 100)
    now = run(FOOLED * 80 + WITHSTOOD * 20, efforts=[1] * 100, unselected="+" * 50 + "-" * 50)
    verdict = judge(now, then, RULES)
    assert verdict.word == "regressed"
    for name in ("success rate", "effort", "clean accuracy"):
        assert name in verdict.reason
    for name in ("noise rate", "time"):
        assert name not in verdict.reason
    assert len(verdict.reason.splitlines()) == 1


def test_one_regressed_metric_fails_whatever_improved() -> None:
    then = baseline(FOOLED * 50 + WITHSTOOD * 50)
    verdict = judge(run(FOOLED * 20 + WITHSTOOD * 80, noises=[0.001] * 20 + [None] * 80), then, RULES)
    assert metric(verdict, "success rate").outcome == "improved"
    assert (verdict.passed, verdict.word) == (False, "regressed")


@modest
@given(st.floats(0.1, 10), st.floats(0.001, 0.1), st.integers(0, 11))
def test_a_verdict_survives_its_way_to_the_controller(units: float, noise: float, effort: int) -> None:
    verdict = judge(run(units=units, noises=[noise] * 4, efforts=[effort] * 4), baseline(), RULES)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict

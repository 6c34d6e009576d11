"""What is said of a case as a whole: word, reason, drift, and the suite's policy and limits."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, measurement
from tests.gate.strategies import modest
from tests.suite.examples import SOUND, folder, loaded

__all__ = ["folder"]  # a fixture

RULES = Rules(Tolerances(), 0.05 / 6)


def metric(verdict: Verdict, name: str) -> MetricVerdict:
    found = verdict.metric(name)
    assert found is not None
    return found


def run(outcomes: str = "!!!!", digest: str = "after", **changes: object) -> Measurement:
    return measurement(outcomes, digest=digest, **changes)


def baseline(outcomes: str = "!!!!", **changes: object) -> Measurement:
    return run(outcomes, digest="before", **changes)


def test_without_a_baseline_a_case_fails() -> None:
    verdict = judge(run(), None, RULES)
    assert (verdict.passed, verdict.status, verdict.metrics) == (False, "no baseline", [])
    assert verdict.reason == "vgg11/pgd: no baseline"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed: 0 is now 1"),
        ({"dtype": "float64", "seed": 1}, 'dtype: "float32" is now "float64"'),
        ({"parameters": {"eps": 0.02}}, "parameters.alpha: 0.0025 is now null"),
        ({"stop": "full"}, 'stop: "first-success" is now "full"'),
    ],
)
def test_another_protocol_is_not_comparable_and_its_first_key_is_named(change: dict[str, object], named: str) -> None:
    for outcomes in ("!!!!", "....", "----"):
        verdict = judge(run(outcomes, protocol=change), baseline(), RULES)
        assert (verdict.passed, verdict.status, verdict.metrics) == (False, "not comparable", [])
        assert named in verdict.reason
        assert "re-record" in verdict.reason


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
    assert (verdict.passed, verdict.status) == (False, "drifted")
    assert "weights and code are unchanged" in verdict.reason
    assert "environment" in verdict.reason
    assert " -> " in verdict.reason
    for other in ({"digest": "other"}, {"code": "other"}, {"code": None}):
        verdict = judge(measurement(**usual | change | other), then, RULES)
        assert verdict.status != "drifted"
        assert "unchanged" not in verdict.reason


@pytest.mark.parametrize("code", ["code digest", "another torch has other operators", None])
def test_with_another_torch_the_weights_alone_tell_drift(code: str | None) -> None:
    then = measurement(FOOLED * 50 + WITHSTOOD * 50)
    verdict = judge(measurement(FOOLED * 80 + WITHSTOOD * 20, code=code, torch="2.15.0"), then, RULES)
    assert verdict.status == "drifted"
    assert "weights are unchanged" in verdict.reason


def test_code_that_cannot_be_followed_is_not_called_unchanged() -> None:
    then = measurement(FOOLED * 50 + WITHSTOOD * 50, code=None)
    verdict = judge(measurement(FOOLED * 80 + WITHSTOOD * 20, code=None), then, RULES)
    assert verdict.status == "regressed"


def test_drift_names_what_moved_around_the_model() -> None:
    then = measurement(FOOLED * 50 + WITHSTOOD * 50)
    now = measurement(FOOLED * 80 + WITHSTOOD * 20, torch="2.15.0", device="a GPU")
    reason = judge(now, then, RULES).reason
    assert "torch 2.14.1 -> 2.15.0" in reason
    assert "device a CPU -> a GPU" in reason
    assert "attacks" not in reason


def decoded(one: Measurement, by: str) -> Measurement:
    return one.model_copy(update={"provenance": one.provenance.model_copy(update={"images": by})})


def test_another_decoder_of_images_is_named_among_what_moved() -> None:
    then = decoded(measurement(FOOLED * 50 + WITHSTOOD * 50), "Pillow 11")
    reason = judge(decoded(measurement(FOOLED * 80 + WITHSTOOD * 20), "Pillow 12"), then, RULES).reason
    assert reason.endswith("so the environment moved (images Pillow 11 -> Pillow 12)")


UNSEEN = ", or something that no digest sees: an array or a file that its code reads"


@pytest.mark.parametrize(("then", "now", "named"), [(1, 2, " (threads 1 -> 2)"), (1, 1, UNSEEN), (None, 2, UNSEEN)])
def test_another_number_of_threads_is_named_among_what_moved(then: int | None, now: int, named: str) -> None:
    def on(threads: int | None, images: str) -> Measurement:
        one = measurement(images)
        return one.model_copy(update={"timing": one.timing.model_copy(update={"threads": threads})})

    reason = judge(on(now, FOOLED * 80 + WITHSTOOD * 20), on(then, FOOLED * 50 + WITHSTOOD * 50), RULES).reason
    assert reason.endswith(f"so the environment moved{named}")


def test_a_verdict_says_what_of_the_model_changed_from_old_to_new() -> None:
    verdict = judge(run(digest="b" * 64, code="d" * 64), run(digest="a" * 64, code="c" * 64), RULES)
    assert verdict.changes == ["weights aaaaaaaa -> bbbbbbbb", "code cccccccc -> dddddddd"]


def test_code_that_can_no_longer_be_followed_is_a_change() -> None:
    followed, blind = run(code="c" * 64), run(code=None)
    assert judge(blind, followed, RULES).changes == ["code cccccccc -> unknown"]
    assert judge(followed, blind, RULES).changes == ["code unknown -> cccccccc"]
    assert judge(blind, blind, RULES).changes == []


def test_a_move_within_tolerance_is_no_drift_and_neither_is_time() -> None:
    then = measurement(FOOLED * 500 + WITHSTOOD * 500)
    assert judge(measurement(FOOLED * 505 + WITHSTOOD * 495), then, RULES).passed
    assert judge(measurement(FOOLED * 500 + WITHSTOOD * 500, units=1.0), then, RULES).status != "drifted"


def test_all_that_regressed_is_in_the_reason_and_nothing_else() -> None:
    then = baseline(FOOLED * 50 + WITHSTOOD * 50, unselected="+" * 100)
    now = run(FOOLED * 80 + WITHSTOOD * 20, efforts=[1] * 100, unselected="+" * 50 + "-" * 50)
    verdict = judge(now, then, RULES)
    assert verdict.status == "regressed"
    for name in ("success rate", "effort"):
        assert name in verdict.reason
    for name in ("noise rate", "time", "clean accuracy"):  # clean accuracy regressed, but is the model's
        assert name not in verdict.reason
    assert metric(verdict, "clean accuracy").outcome == "regressed"
    assert len(verdict.reason.splitlines()) == 1


def test_one_regressed_metric_fails_whatever_improved() -> None:
    then = baseline(FOOLED * 50 + WITHSTOOD * 50)
    verdict = judge(run(FOOLED * 20 + WITHSTOOD * 80, noises=[0.001] * 20 + [None] * 80), then, RULES)
    assert metric(verdict, "success rate").outcome == "improved"
    assert (verdict.passed, verdict.status) == (False, "regressed")


@modest
@given(st.floats(0.1, 10), st.floats(0.001, 0.1), st.integers(0, 11))
def test_a_verdict_survives_its_way_to_the_controller(units: float, noise: float, effort: int) -> None:
    verdict = judge(run(units=units, noises=[noise] * 4, efforts=[effort] * 4), baseline(), RULES)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


# --- policies and limits -----------------------------------------------------------------------------------------

HALF = FOOLED * 50 + WITHSTOOD * 50
STRICT = replace(RULES, inconclusive_fails=True)
PLAIN = replace(RULES, tolerance_only=True)
#: Beyond the tolerance, and not significant, in one direction.
WORSE: dict[str, dict[str, object]] = {
    "success rate": {"outcomes": FOOLED * 53 + WITHSTOOD * 47},
    "effort": {"efforts": [0] * 6 + [5] * 94},
    "noise rate": {"noises": [0.0001] * 4 + [0.005] * 46 + [None] * 50},
}
BETTER: dict[str, dict[str, object]] = {
    "success rate": {"outcomes": FOOLED * 47 + WITHSTOOD * 53},
    "effort": {"efforts": [10] * 6 + [5] * 94},
    "noise rate": {"noises": [0.5] * 4 + [0.005] * 46 + [None] * 50},
}
CLEAN: dict[str, dict[str, object]] = {
    "a little worse": {"unselected": "+" * 80 + "-" * 20},
    "worse": {"unselected": "+" * 40 + "-" * 60},
    "a little better": {"unselected": "+" * 86 + "-" * 14},
    "better": {"unselected": "+" * 100},
}
THEN: dict[str, object] = {"outcomes": HALF, "unselected": "+" * 83 + "-" * 17, "efforts": [5] * 100}


def moved(name: str, change: dict[str, object], rules: Rules) -> Verdict:
    verdict = judge(run(**THEN | change), baseline(**THEN), rules)
    assert {one.metric for one in verdict.moved} == {name}
    return verdict


@pytest.mark.parametrize(("name", "change"), WORSE.items(), ids=WORSE)
def test_a_doubtful_change_for_the_worse_fails_where_the_suite_says_so(name: str, change: dict[str, object]) -> None:
    assert (moved(name, change, RULES).passed, moved(name, change, RULES).status) == (True, "inconclusive")
    strict = moved(name, change, STRICT)
    assert (strict.passed, strict.status) == (False, "inconclusive")
    assert strict.reason.startswith(f"vgg11/pgd: {name} ")
    assert [one.metric for one in strict.metrics if one.fails] == [name]


@pytest.mark.parametrize(("name", "change"), BETTER.items(), ids=BETTER)
def test_a_doubtful_change_for_the_better_never_fails(name: str, change: dict[str, object]) -> None:
    for rules in (RULES, STRICT):
        verdict = moved(name, change, rules)
        assert (verdict.passed, verdict.status) == (True, "inconclusive")
        assert not any(one.fails for one in verdict.metrics)


@pytest.mark.parametrize("name", WORSE)
def test_the_plain_rule_asks_for_the_tolerance_alone(name: str) -> None:
    worse, better = moved(name, WORSE[name], PLAIN), moved(name, BETTER[name], PLAIN)
    assert (worse.passed, worse.status) == (False, "regressed")
    assert (better.passed, better.status) == (True, "improved")
    assert metric(worse, name).p_value == metric(moved(name, WORSE[name], RULES), name).p_value


@pytest.mark.parametrize("rules", [RULES, STRICT, PLAIN], ids=["usual", "strict", "plain"])
@pytest.mark.parametrize("change", CLEAN.values(), ids=CLEAN)
def test_clean_accuracy_neither_fails_a_case_nor_names_it(change: dict[str, object], rules: Rules) -> None:
    verdict = moved("clean accuracy", change, rules)
    assert (verdict.passed, verdict.status) == (True, "same")
    assert "clean accuracy" not in verdict.reason
    assert not any(one.fails for one in verdict.metrics)
    worse = judge(run(**THEN | change | {"outcomes": FOOLED * 90 + WITHSTOOD * 10}), baseline(**THEN), rules)
    assert (worse.passed, worse.status) == (False, "regressed")


@pytest.mark.parametrize("rules", [RULES, STRICT, PLAIN])
def test_no_policy_fails_what_is_within_its_tolerance(rules: Rules) -> None:
    now = run(FOOLED * 51 + WITHSTOOD * 49, unselected="+" * 82 + "-" * 18)
    assert judge(now, baseline(HALF, unselected="+" * 83 + "-" * 17), rules).passed


def limited(limit: float, outcomes: str, then: str = HALF) -> Verdict:
    return judge(run(outcomes), baseline(then), replace(RULES, max_success_rate=limit))


@pytest.mark.parametrize(
    ("limit", "kept"), [(0.5, True), (0.4999999999, True), (0.4999, False), (0.0, False), (1.0, True)]
)
def test_a_success_rate_above_its_limit_fails_although_nothing_changed(limit: float, kept: bool) -> None:
    verdict = limited(limit, HALF)
    assert (verdict.passed, verdict.status) == ((True, "same") if kept else (False, "over limit"))
    if not kept:
        assert "50.0% is above max_success_rate" in verdict.reason.replace(" %", "%")
        assert verdict.moved == []


def test_an_improvement_that_is_still_above_the_limit_fails() -> None:
    verdict = limited(0.2, FOOLED * 30 + WITHSTOOD * 70)
    assert metric(verdict, "success rate").outcome == "improved"
    assert (verdict.passed, verdict.status) == (False, "over limit")


def test_regressed_is_said_before_over_limit_and_both_are_in_the_reason() -> None:
    verdict = limited(0.6, FOOLED * 90 + WITHSTOOD * 10)
    assert (verdict.passed, verdict.status) == (False, "regressed")
    assert "success rate 50.0% -> 90.0%" in verdict.reason.replace(" %", "%")
    assert "max_success_rate" in verdict.reason


def test_over_limit_is_said_before_doubt_that_fails_and_both_are_in_the_reason() -> None:
    now = run(FOOLED * 53 + WITHSTOOD * 47)
    verdict = judge(now, baseline(HALF), replace(STRICT, max_success_rate=0.4))
    assert metric(verdict, "success rate").outcome == "inconclusive"
    assert (verdict.passed, verdict.status) == (False, "over limit")
    assert "success rate 50.0% -> 53.0%" in verdict.reason
    assert "max_success_rate" in verdict.reason


def test_doubt_is_said_before_an_improvement() -> None:
    doubtful = [10] * 6 + [5] * 94
    better = {"outcomes": FOOLED * 20 + WITHSTOOD * 80, "efforts": doubtful}
    verdict = judge(run(**THEN | better), baseline(**THEN), RULES)
    assert [metric(verdict, name).outcome for name in ("success rate", "effort")] == ["improved", "inconclusive"]
    assert (verdict.passed, verdict.status) == (True, "inconclusive")


def test_where_nothing_moved_the_reason_is_the_first_metric_alone() -> None:
    verdict = judge(run(HALF), baseline(HALF), RULES)
    assert verdict.reason == f"vgg11/pgd: {metric(verdict, 'success rate').text}"


def test_a_limit_is_of_the_attempts_and_keeps_what_has_none() -> None:
    at, above = FOOLED * 4 + WITHSTOOD * 6 + WRONG * 90, FOOLED * 5 + WITHSTOOD * 5 + WRONG * 90
    assert limited(0.4, at, at).status == "same"
    assert limited(0.4, above, above).status == "over limit"
    fewer = limited(0.4, above, FOOLED * 5 + WITHSTOOD * 95)  # most images are wrong by now
    assert (fewer.status, metric(fewer, "limit").fails) == ("regressed", True)
    assert limited(0.0, WRONG * 100, WRONG * 100).passed


def test_rules_are_those_of_the_suite_file(folder: Path) -> None:
    more = '[attacks.pgd]\nattack = "PGD"\nmax_success_rate = 0.25\n[tolerances]\neffort = 0.5\n'
    head = 'alpha = 0.1\npolicy = "tolerance"\ninconclusive = "fail"\n'
    usual, other = loaded(folder, SOUND + more), loaded(folder, head + SOUND + more)
    tolerances = Tolerances(effort=0.5)
    share = 0.4 / 2 / 6  # of two attacks with six metrics each
    assert Rules.of(usual.case("small/fgsm")) == Rules(tolerances, 0.05 * share)
    assert Rules.of(usual.case("small/pgd")) == Rules(tolerances, 0.05 * share, max_success_rate=0.25)
    assert Rules.pooled(usual) == Rules(tolerances, 0.05 * 0.25 / 2)
    assert Rules.of_group(usual) == Rules(tolerances, 0.05 * 0.1)
    assert Rules.of(other.case("small/pgd")) == Rules(tolerances, 0.1 * share, True, True, 0.25)
    assert Rules.pooled(other) == Rules(tolerances, 0.1 * 0.25 / 2, True, True)
    assert Rules.of_group(other) == Rules(tolerances, 0.1 * 0.1, True, True)
    timed = loaded(folder, 'time = "clock"\nsuspicious = "warn"\n' + SOUND)
    for rules in (Rules.of(timed.case("small/fgsm")), Rules.pooled(timed), Rules.of_group(timed)):
        assert (rules.clock, rules.suspicious_fails) == (True, False)

"""Rules that let more pass than an anchor's did, and what an anchor says of a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.anchor import Anchor, AnchorRules
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.suite.suite import Suite, Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, measurement, refusal
from tests.gate.strategies import modest
from tests.suite.test_suite import SOUND, folder, loaded

__all__ = ["folder"]  # a fixture

USUAL: dict[str, Any] = {
    "alpha": 0.05,
    "policy": "significance",
    "inconclusive": "pass",
    "tolerances": Tolerances(),
    "max_success_rate": {"fgsm": 0.5, "pgd": None},
}


def said(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return list(AnchorRules(**USUAL | then).loosened(AnchorRules(**USUAL | now)))


def limits(**of: float | None) -> dict[str, Any]:
    return {"max_success_rate": of}


#: What was, what is, and what is said of it; of the way back nothing.
LOOSENED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a tolerance": ({}, {"tolerances": Tolerances(effort=0.051)}, "tolerances.effort rose from 0.05 to 0.051"),
    "alpha": ({}, {"alpha": 0.04}, "alpha fell from 0.05 to 0.04"),
    "policy": ({"policy": "tolerance"}, {}, "policy was 'tolerance' and is 'significance'"),
    "doubt": ({"inconclusive": "fail"}, {}, "inconclusive was 'fail' and is 'pass'"),
    "a limit": ({}, limits(fgsm=0.51, pgd=None), "attacks.fgsm.max_success_rate rose from 0.5 to 0.51"),
    "no limit": ({}, limits(fgsm=None, pgd=None), "attacks.fgsm.max_success_rate rose from 0.5 to none"),
}


@pytest.mark.parametrize(("then", "now", "what"), LOOSENED.values(), ids=LOOSENED)
def test_a_rule_that_gives_way_is_named_and_one_that_became_stricter_is_not(
    then: dict[str, Any], now: dict[str, Any], what: str
) -> None:
    assert said(then, now) == [what]
    assert said(now, then) == []


@pytest.mark.parametrize("now", [{}, limits(pgd=None), limits(fgsm=0.5, pgd=None, cw=1.0)])
def test_the_same_rules_fewer_attacks_and_more_are_no_looser_rules(now: dict[str, Any]) -> None:
    """An attack that left is not a limit that rose: its cases are missed by name."""
    assert said({}, now) == []


@modest
@given(st.lists(st.sampled_from(list(LOOSENED)[:-1]), unique=True))
def test_all_that_gave_way_is_said(names: list[str]) -> None:
    then, now = ({key: value for name in names for key, value in LOOSENED[name][which].items()} for which in (0, 1))
    assert sorted(said(then, now)) == sorted(LOOSENED[name][2] for name in names)


# --- cases -------------------------------------------------------------------------------------------------------

RULES = Rules(Tolerances(), 0.05 / 6)
STEPS = [FOOLED * count + WITHSTOOD * (100 - count) for count in (50, 80, 95)]
ON_REQUEST = '[attacks.cw]\nattack = "CW"\non_request = true\n'


def anchored(folder: Path, text: str = SOUND) -> tuple[Suite, BaselineStore, Anchor]:
    """A suite, its baselines, and its anchor, in which nothing is yet."""
    suite = loaded(folder, text)
    return suite, BaselineStore(folder / "baselines", suite.name), Anchor(folder / "release", suite)


def test_a_case_that_passes_by_its_baseline_and_fails_by_the_anchor_is_eroded(folder: Path) -> None:
    _, baselines, anchor = anchored(folder)
    release, update, now = (measurement(step, case="small/fgsm", digest=step) for step in (*STEPS[:2], STEPS[1]))
    baselines.write([release])
    assert anchor.record(baselines) == 1
    usual = judge(now, update, RULES)
    eroded = anchor.judge(now, usual, RULES)
    assert usual.passed
    assert (eroded.passed, eroded.status, eroded.metrics) == (False, "eroded", usual.metrics)
    assert eroded.reason.startswith("small/fgsm: since the anchor: success rate 50.0% -> 80.0%")
    assert anchor.judge(release, judge(release, release, RULES), RULES).status == "same"


def test_a_case_that_fails_anyway_or_is_new_stays_what_it_is(folder: Path) -> None:
    _, baselines, anchor = anchored(folder)
    release, update, now = (measurement(step, case="small/fgsm", digest=step) for step in STEPS)
    usual = judge(now, update, RULES)
    assert usual.status == "regressed"
    assert anchor.judge(now, usual, RULES) == usual  # nothing is recorded
    baselines.write([release])
    anchor.record(baselines)
    assert anchor.judge(now, usual, RULES) == usual


def test_an_anchor_needs_the_baselines_of_every_run_and_takes_others_where_there_are_any(folder: Path) -> None:
    _, baselines, anchor = anchored(folder, SOUND + ON_REQUEST)
    assert "small/fgsm.json: no baseline" in refusal(lambda: anchor.record(baselines))
    baselines.write([measurement(case="small/fgsm")])
    assert anchor.record(baselines) == 1
    baselines.write([measurement(case="small/cw")])
    assert anchor.record(baselines) == 2
    assert anchor.store.cases() == {"small/fgsm", "small/cw"}
    assert anchor.violations() == []


def test_what_left_the_suite_or_runs_on_request_only_is_said(folder: Path) -> None:
    both = SOUND + ON_REQUEST.replace("on_request = true\n", "")
    _, baselines, anchor = anchored(folder, both)
    baselines.write([measurement(case="small/fgsm"), measurement(case="small/cw")])
    anchor.record(baselines)
    _, _, later = anchored(folder, SOUND + ON_REQUEST)
    assert later.violations() == ["since the anchor: attacks.cw runs on request only"]
    _, _, gone = anchored(folder, SOUND)
    assert gone.violations() == ["since the anchor: no longer in the suite: small/cw"]


def test_an_anchor_recorded_again_leaves_what_did_not_change_as_it_lies(folder: Path) -> None:
    """Also a file that calls an attack by the path its class had."""
    suite = loaded(folder, SOUND)
    (case,) = [one.id for one in suite.cases()][:1]
    baselines, anchor = BaselineStore(folder / "baselines", suite.name), Anchor(folder / "anchors", suite)
    one = measurement(FOOLED * 5 + WITHSTOOD * 5).model_copy(update={"case": case})
    named = one.protocol.model_copy(update={"attack": "CW"})
    others = [one.model_copy(update={"case": other.id, "protocol": named}) for other in suite.cases()]
    baselines.write(others)
    anchor.record(baselines)
    file = anchor.store.path(case)
    file.write_text(file.read_text().replace('"attack": "CW"', '"attack": "pytest_robustness.evaluate.attacks.cw:CW"'))
    before = file.read_bytes()
    anchor.record(baselines)
    assert file.read_bytes() == before
    changed = [other.model_copy(update={"budget": 7}) for other in others]
    baselines.write(changed)
    anchor.record(baselines)
    assert anchor.store.read(case) == changed[0]

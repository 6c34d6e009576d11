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
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.levels import Levels
from pytest_robustness.suite.suite import Suite, Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, images, measurement, own_lists, refusal
from tests.gate.strategies import modest
from tests.suite.examples import SOUND, folder, loaded

__all__ = ["folder"]  # a fixture

USUAL: dict[str, Any] = {
    "alpha": 0.05,
    "policy": "significance",
    "inconclusive": "pass",
    "tolerances": Tolerances(),
    "max_success_rate": {"fgsm": 0.5, "pgd": None},
    "levels": Levels(cases=0.2),
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
    "a share": ({"levels": Levels()}, {"levels": Levels(cases=0.3)}, "levels.cases fell from 0.4 to 0.3"),
    "no slices": ({"slices": ["class"]}, {}, "slices: no longer by class"),
    "suspicion": ({"suspicious": "fail"}, {}, "suspicious was 'fail' and is 'warn'"),
    "no limit": ({}, limits(fgsm=None, pgd=None), "attacks.fgsm.max_success_rate rose from 0.5 to none"),
}


@pytest.mark.parametrize(("then", "now", "what"), LOOSENED.values(), ids=LOOSENED)
def test_a_rule_that_gives_way_is_named_and_one_that_became_stricter_is_not(
    then: dict[str, Any], now: dict[str, Any], what: str
) -> None:
    assert said(then, now) == [what]
    assert said(now, then) == []


@pytest.mark.parametrize("now", [{}, limits(pgd=None)])
def test_the_same_rules_and_fewer_attacks_are_no_looser_rules(now: dict[str, Any]) -> None:
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
HALF = FOOLED * 50 + WITHSTOOD * 50
ON_REQUEST = '[attacks.cw]\nattack = "CW"\non_request = true\n'


def anchored(folder: Path, text: str = SOUND) -> tuple[Suite, BaselineStore, Anchor]:
    """A suite, its baselines, and its anchor, in which nothing is yet."""
    suite = loaded(folder, text)
    return suite, BaselineStore(folder / "baselines", suite.name), Anchor(folder / "release", suite)


def record(baselines: BaselineStore, *measurements: Measurement) -> None:
    baselines.write(measurements, own_lists(*measurements))


def test_a_case_that_passes_by_its_baseline_and_fails_by_the_anchor_is_eroded(folder: Path) -> None:
    _, baselines, anchor = anchored(folder)
    release, update, now = (measurement(step, case="small/fgsm", digest=step) for step in (*STEPS[:2], STEPS[1]))
    record(baselines, release)
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
    record(baselines, release)
    anchor.record(baselines)
    assert anchor.judge(now, usual, RULES) == usual


def test_an_anchor_needs_the_baselines_of_every_run_and_takes_others_where_there_are_any(folder: Path) -> None:
    _, baselines, anchor = anchored(folder, SOUND + ON_REQUEST)
    assert "small/fgsm.json: no baseline" in refusal(lambda: anchor.record(baselines))
    record(baselines, measurement(case="small/fgsm"))
    assert anchor.record(baselines) == 1
    record(baselines, measurement(case="small/cw"))
    assert anchor.record(baselines) == 2
    assert anchor.store.cases() == {"small/fgsm", "small/cw"}
    assert anchor.violations() == []


def test_what_left_the_suite_or_runs_on_request_only_is_said(folder: Path) -> None:
    both = SOUND + ON_REQUEST.replace("on_request = true\n", "")
    _, baselines, anchor = anchored(folder, both)
    record(baselines, measurement(case="small/fgsm"), measurement(case="small/cw"))
    anchor.record(baselines)
    _, _, later = anchored(folder, SOUND + ON_REQUEST)
    assert later.violations() == ["since the anchor: attacks.cw runs on request only"]
    _, _, gone = anchored(folder, SOUND)
    assert gone.violations() == ["since the anchor: no longer in the suite: small/cw"]


SCHEMA_1 = Path(__file__).parents[1] / "records" / "schema_1.json"


def test_an_anchor_recorded_again_leaves_what_did_not_change_as_it_lies(folder: Path) -> None:
    """Also a file that an earlier version wrote, whose images had no list."""
    _, baselines, anchor = anchored(folder)
    text = SCHEMA_1.read_text().replace("vgg11/pgd", "small/fgsm")
    for store in (baselines, anchor.store):
        store.path("small/fgsm").parent.mkdir(parents=True)
        store.path("small/fgsm").write_text(text)
    assert anchor.record(baselines) == 1
    assert anchor.store.path("small/fgsm").read_text() == text
    changed = measurement(case="small/fgsm")
    record(baselines, changed)
    anchor.record(baselines)
    assert anchor.store.read("small/fgsm") == changed


# --- image sets --------------------------------------------------------------------------------------------------


def names(store: BaselineStore) -> set[str]:
    return {path.name for path in store.folder.glob("*.json")}


def test_an_anchor_keeps_the_lists_that_it_needs_and_no_others(folder: Path) -> None:
    _, baselines, anchor = anchored(folder)
    first, second = (measurement(step, case="small/fgsm", unselected="+") for step in ("!!..", "!!..!"))
    for release in (first, second):
        record(baselines, release)
        anchor.record(baselines)
        assert names(anchor.store) == {"rules.json", *(f"images-{one.digest[:16]}.json" for one in own_lists(release))}
    next(baselines.folder.glob("images-*.json")).unlink()
    assert "images-" in refusal(lambda: anchor.record(baselines))


def test_a_case_is_held_against_an_anchor_of_fewer_images(folder: Path) -> None:
    _, baselines, anchor = anchored(folder)
    release, grown = (
        measurement(step, case="small/fgsm", digest=step) for step in (HALF, WITHSTOOD * 40 + HALF + FOOLED * 10)
    )
    record(baselines, release)
    anchor.record(baselines)
    other = images((*range(200, 240), *range(100), *range(240, 250)))
    now = grown.model_copy(update={"images": other.identity})
    passed = judge(now, now, RULES)
    assert anchor.judge(now, passed, RULES, [other]) == passed
    worse = measurement(FOOLED * 140 + FOOLED * 10, case="small/fgsm", digest="worse", listed=other)
    eroded = anchor.judge(worse, judge(worse, worse, RULES), RULES, [other])
    assert eroded.status == "eroded"
    assert "since the anchor: success rate 50.0% -> 100.0%" in eroded.reason


@pytest.mark.parametrize(("before", "since", "passed"), [(0, 0, False), (0, 9, False), (0, 10, True), (5, 10, False)])
def test_images_that_went_since_the_anchor_need_not_be_accepted_again(
    folder: Path, before: int, since: int, passed: bool
) -> None:
    """``before`` of those whose absence was accepted had gone before the anchor was recorded."""
    _, baselines, anchor = anchored(folder)
    release = measurement(HALF, case="small/fgsm")
    noted = release.provenance.model_copy(update={"removed_images": before})
    record(baselines, release.model_copy(update={"provenance": noted}))
    anchor.record(baselines)
    now = measurement(HALF[:90], case="small/fgsm")
    found = anchor.judge(now, judge(now, now, RULES), RULES, [images(90)], since)
    assert found.passed == passed
    assert passed or "since the anchor: not comparable: 10 images of the baseline are missing" in found.reason

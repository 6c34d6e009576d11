"""The standard ensemble against pyautoattack's standard set, recorded by tests/oracles/record.py, on 200 images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_robustness.evaluate.measure import measure
from pytest_robustness.records.part import Part
from pytest_robustness.suite.attack import Attack
from pytest_robustness.suite.ensembles import Ensemble

from tests.evaluate import zoo
from tests.evaluate.suites import CPU

STANDARD = ["pgd", "apgd-ce", "apgd-t", "fmn", "square"]
RUNS = json.loads((Path(__file__).parents[1] / "oracles" / "standard.json").read_text(encoding="utf-8"))["runs"]


def measured(run: dict[str, Any], attacks: list[str]) -> Part:
    eps = run["eps"]
    alone = Attack(attack="PGD", eps=eps, alpha=eps / 4, steps=10)
    ensemble = Ensemble(eps=eps, attacks=attacks)
    suite = zoo.suite().model_copy(update={"attacks": {"alone": alone}, "ensembles": {"worst": ensemble}})
    return measure(suite.case(f"{run['model']}/worst"), range(run["images"]), device=CPU)


def differing(run: dict[str, Any], part: Part) -> int:
    return sum(int(theirs) != ours for theirs, ours in zip(run["fooled"], part.evidence.success, strict=True))


@pytest.mark.parametrize("run", RUNS[:1], ids=lambda run: f"{run['model']}-{run['eps']}")
def test_plain_pgd_is_not_the_worst_case_and_apgd_nearly_is(run: dict[str, Any]) -> None:
    assert differing(run, measured(run, ["pgd"])) > 10
    assert differing(run, measured(run, STANDARD[:3])) <= 2


@pytest.mark.nightly
@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run['model']}-{run['eps']}")
def test_it_fools_what_the_standard_set_fools(run: dict[str, Any]) -> None:
    """At the smaller radius 30 to 70 % of the images withstand."""
    part = measured(run, STANDARD)
    assert differing(run, part) <= 2
    if run["eps"] < 0.01:
        assert 0.3 <= run["fooled"].count("1") / run["images"] <= 0.7
    assert part.timing.gradient_rows <= 0.6 * run["gradient_rows"]  # of those that withstand, both make every step

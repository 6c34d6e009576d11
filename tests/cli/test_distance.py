"""An attack that looks for the smallest perturbation: distances and work are shown, and judged, from end to end."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import SUITE, Project

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
FMN = '\n[attacks.fmn]\nattack = "FMN"\nnorm = "inf"\nsteps = 10\n'
ENSEMBLE = '\n[ensembles.worst]\nnorm = "inf"\neps = 0.01\nattacks = ["fgsm", "pgd"]\n'


@pytest.fixture
def measured(project: Project) -> Project:
    (project.path / "tiny.toml").write_text(SUITE + FMN)
    project.record("-k", "small")
    return project


def cells(text: str) -> list[str]:
    return re.split(r"  +", text.strip())


def test_it_has_a_distance_and_no_success_rate(measured: Project) -> None:
    result = measured.run("-k", "small", "--robustness-json", "run.json", "--junit-xml", "junit.xml")
    assert result.ret == OK
    (header,) = (one for one in result.outlines if one.startswith("model  attack"))
    (row,) = (one for one in result.outlines if re.match(r"small +fmn ", one))
    assert cells(header)[2:5] == ["baseline", "success rate", "distance"]
    aggregates = measured.measurement("small/fmn").aggregates
    assert aggregates.distance is not None
    assert cells(row)[2:5] == ["-", "-", f"{aggregates.distance:.3g}"]
    found = json.loads((measured.path / "run.json").read_text())
    (case,) = (case for case in found["cases"] if case["attack"] == "fmn")
    assert (case["success_rate"], case["distance"]["value"]) == (None, aggregates.distance)
    assert case["forwards"]["value"] == pytest.approx(aggregates.forwards, abs=1e-6)
    assert case["gradients"]["value"] == pytest.approx(aggregates.gradients, abs=1e-6)
    assert case["security_curve"]
    tests = {one.get("name"): one for one in ElementTree.parse(measured.path / "junit.xml").iter("testcase")}
    properties = {one.get("name"): one.get("value") for one in tests["test_robustness[small/fmn]"].iter("property")}
    assert "robustness_success_rate" not in properties
    assert float(properties["robustness_distance"]) == aggregates.distance


def test_a_weaker_model_is_nearer_to_its_boundary(measured: Project) -> None:
    measured.behave(small_fmn="weak")
    result = measured.run("-k", "small and fmn")
    assert result.ret == FAILED
    result.stdout.re_match_lines_random(
        r"small/fmn: distance 0\.0\d+ -> 0\.00\d+ \(-\d\d\.\d% \[-.*\] on \d+ images(, \d+ found only \w+)*, p = "
    )


def test_the_model_s_rates_are_pooled_without_it(measured: Project) -> None:
    measured.behave(small_fgsm="weak", small_pgd="weak")
    result = measured.run("-k", "small")
    assert any(one.startswith("FAILED: small under 2 attacks: success rate +") for one in result.outlines)


def test_a_benchmark_has_the_work(measured: Project) -> None:
    measured.run("-k", "small and fmn", "--benchmark-json", "bench.json")
    (one,) = json.loads((measured.path / "bench.json").read_text())["benchmarks"]
    aggregates = measured.measurement("small/fmn").aggregates
    assert one["extra_info"]["forwards"] == pytest.approx(aggregates.forwards)
    assert one["extra_info"]["gradients"] == pytest.approx(aggregates.gradients)
    assert (one["extra_info"]["distance"], one["extra_info"]["success_rate"]) == (aggregates.distance, None)


def test_an_ensemble_says_which_of_its_members_fooled(project: Project) -> None:
    (project.path / "tiny.toml").write_text(SUITE + ENSEMBLE)
    project.record("-k", "small")
    result = project.run("-k", "small", "--robustness-json", "run.json", "--robustness-report", "run.html")
    assert result.ret == OK
    found = json.loads((project.path / "run.json").read_text())
    (case,) = (case for case in found["cases"] if case["attack"] == "worst")
    assert list(case["fooled_by"]) == ["fgsm", "pgd"]
    assert sum(case["fooled_by"].values()) == case["successes"] > 0

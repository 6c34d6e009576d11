"""Distances and work are shown where there are any, and no success rate where it says nothing."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.variants import Contrast
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report.against_baseline import POINTS, security_curve
from pytest_robustness.report.averages import Averages
from pytest_robustness.report.data import Report
from pytest_robustness.report.html.page import render
from pytest_robustness.report.markdown import markdown
from pytest_robustness.report.table import Row, table, variants_table
from pytest_robustness.suite.suite import Suite, Tolerances

from tests.gate.examples import evidence, measurement
from tests.gate.strategies import modest
from tests.report.examples import report, run, suite

RULES = Rules(Tolerances(), 0.05 / 6)
FMN = {"attack": "FMN", "parameters": {"steps": 10}, "distance": "inf"}
SCHEMA_1 = Path(__file__).with_name("schema_1.json")


def found(case: str, scale: float = 1.0, **changes: object) -> Measurement:
    """Of ten images one is wrong, and one is never found."""
    distances = [None if i in (0, 5) else round(scale * i / 100, 6) for i in range(10)]
    work = {"forwards": [None, *[11] * 9], "gradients": [None, *[10] * 9]}
    return measurement("-!!!!.!!!!", case=case, distances=distances, protocol=FMN, **work | changes)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Two models under PGD and FMN."""
    made = suite(tmp_path_factory.mktemp("mixed"), {"vgg": ["vgg11", "vgg11_bn"]})
    attacks = dict.fromkeys(("pgd", "fmn"), made.attacks["pgd"])
    return made.model_copy(update={"attacks": attacks})


@pytest.fixture(scope="module")
def regressed(mixed: Suite) -> Report:
    """Under FMN both models' images moved to half of their distance."""
    then, now = {}, {}
    for case in (case.id for case in mixed.cases()):
        for seen, scale, digest in ((then, 1.0, "before"), (now, 0.5, "after")):
            pgd = measurement("-!!.!.!!!.", case=case, digest=digest)
            seen[case] = pgd if case.endswith("pgd") else found(case, scale, digest=digest)
    verdicts = {case: judge(one, then[case], Rules(Tolerances(), 0.05)) for case, one in now.items()}
    return report(mixed, measurements=now, verdicts=verdicts)


def cells(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def row(one: Measurement) -> Row:
    return Row(one.case, "same", failed=False, measurement=one, verdict=judge(one, one, RULES))


def test_the_table_has_a_column_where_a_case_has_distances() -> None:
    crashed = Row("vgg11/cw", "crashed", failed=True)
    lines = [line for line, _ in table([row(found("vgg11/fmn")), row(measurement()), crashed])]
    assert cells(lines[0])[2:5] == ["baseline", "success rate", "distance"]
    assert cells(lines[1])[2:5] == ["-", "-", "-"]  # the one that crashed comes first
    assert cells(lines[2])[2:5] == ["-", "-", "0.05"]
    assert cells(lines[3])[4] == "-"
    assert "distance" not in table([row(measurement())])[0][0]


def test_variants_are_compared_by_distance_where_there_are_any() -> None:
    metrics = {one.metric: one for one in judge(found("b/fmn", 0.5), found("a/fmn"), RULES).metrics}
    line = Contrast("a -> b", "fmn", metrics)
    header, shown = variants_table([line])
    assert cells(header)[2:] == ["success rate", "p", "distance", "noise rate", "effort", "clean accuracy"]
    assert cells(shown)[2:5] == ["-", "-", "-50.0% [-50.0%, -50.0%]"]
    assert "distance" not in variants_table([])[0]


def test_an_average_is_over_the_attacks_that_have_a_success_rate() -> None:
    assert Averages.of_attacks([measurement("!!.."), found("vgg11/fmn")]).success_rate == 0.5
    assert Averages.of_attacks([found("vgg11/fmn")]).success_rate is None
    assert Averages.of_attacks([measurement("!!.."), measurement("----")]).success_rate is None


def test_the_data_has_distance_work_and_curve_and_no_rate(regressed: Report) -> None:
    case = next(case for case in regressed.cases if case.case == "vgg11/fmn")
    assert (case.success_rate, case.robust_accuracy, case.measured) == (None, None, True)
    assert case.distance is not None
    assert case.distance.value == 0.025
    assert (case.forwards and case.forwards.value, case.gradients and case.gradients.value) == (11, 10)
    assert case.security_curve[-1] == (0.045, 8 / 9)
    pgd = next(case for case in regressed.cases if case.case == "vgg11/pgd")
    assert (pgd.distance, pgd.forwards, pgd.security_curve, pgd.fooled_by) == (None, None, [], {})
    assert regressed.models[0].success_rate is not None
    assert pgd.success_rate is not None
    assert regressed.models[0].success_rate.value == pytest.approx(pgd.success_rate.value, abs=1e-6)
    assert Report.from_json(regressed.to_json()) == regressed


def test_a_case_without_a_success_rate_is_measured_all_the_same(regressed: Report, mixed: Suite) -> None:
    assert "in 2 of 4 cases" in regressed.sentence
    recorded = report(mixed, measurements=run(mixed).measurements, recording="all")
    assert "4 cases of zoo measured" in recorded.sentence


def test_markdown_has_a_column_where_a_case_has_distances(regressed: Report, mixed: Suite) -> None:
    text = markdown(regressed)
    assert "| model | attack | verdict | success rate | change | distance | noise rate | effort | time |" in text
    (line, *_) = (line for line in text.splitlines() if line.startswith("| vgg11 | fmn |"))
    values = [cell.strip() for cell in line.split("|")[1:-1]]
    assert values[2:4] == ["regressed", "-"]
    assert values[4].startswith("distance -50.0%")
    assert values[5] == "0.025"
    assert "distance" not in markdown(report(mixed))


def test_the_page_shows_distances_where_there_are_any(regressed: Report, mixed: Suite) -> None:
    page = render(regressed)
    assert "distance, norm of the smallest perturbation found" in page
    assert page.count('<th scope="col">distance</th>') == 2  # of cases and of variants
    assert "vgg11/fmn: distance 0.025 [" in page
    assert '<th scope="col">distance</th>' not in render(report(mixed))


# --- security curves ---------------------------------------------------------------------------------------------

outcomes = st.lists(st.none() | st.integers(0, 50), max_size=80)


@modest
@given(outcomes, st.integers(0, 5))
def test_a_curve_is_the_share_of_attempts_fooled_within_each_radius(found: list[int | None], wrong: int) -> None:
    values = [None if one is None else one / 100 for one in found]
    letters = "".join("." if one is None else "!" for one in values) + "-" * wrong
    curve = security_curve(evidence(letters, distances=[*values, *[None] * wrong]))
    attempts = len(values)
    for radius, share in curve:
        within = sum(one is not None and one <= radius for one in values)
        assert within >= share * attempts - 1e-9
        assert sum(one is not None and one < radius for one in values) < share * attempts
    assert [share for _, share in curve] == sorted({share for _, share in curve})
    assert [radius for radius, _ in curve] == sorted(radius for radius, _ in curve)
    assert len(curve) <= POINTS
    fooled = attempts - values.count(None)
    if fooled == attempts and attempts:
        assert curve[-1] == (max(one for one in values if one is not None), 1.0)
    if attempts >= POINTS:
        assert len(curve) == sum(-(-attempts * k // POINTS) <= fooled for k in range(1, POINTS + 1))


def test_without_distances_there_is_no_curve() -> None:
    assert security_curve(evidence("!!..")) == []
    assert security_curve(evidence("--", distances=[None, None])) == []


# --- ensembles, sets that changed, and reports of an earlier version ---------------------------------------------


def test_of_an_ensemble_the_members_that_fooled_are_counted(mixed: Suite) -> None:
    together = {"attack": "ensemble", "parameters": {"norm": "inf", "eps": 0.01, "attacks": "pgd, fmn, square"}}
    one = measurement("!!.!-!", case="vgg11/pgd", fooled_by=[0, 2, None, 0, None, 0], protocol=together)
    made = report(mixed, only=["vgg11/pgd"], measurements={one.case: one}, verdicts={one.case: judge(one, one, RULES)})
    assert made.cases[0].fooled_by == {"pgd": 3, "fmn": 0, "square": 1}


def test_new_images_are_in_the_data(mixed: Suite) -> None:
    one = measurement("!!..", case="vgg11/pgd")
    verdict = judge(one, one, RULES)
    grown = verdict.model_copy(update={"images": verdict.images.model_copy(update={"new": 12})})
    made = report(mixed, only=["vgg11/pgd"], measurements={one.case: one}, verdicts={one.case: grown})
    assert json.loads(made.to_json())["cases"][0]["set_change"]["new"] == 12
    assert made.attacks[0].images == one.images


def test_a_report_of_an_earlier_version_is_read_and_rendered() -> None:
    text = SCHEMA_1.read_text()
    made, stored = Report.from_json(text), json.loads(text)
    attack = made.attacks[0]
    assert (attack.images and attack.images.model_dump(), attack.protocol and attack.protocol.shape) == (
        {"count": 20, "digest": "a" * 64},
        [3, 32, 32],
    )
    assert attack.protocol_digest == stored["attacks"][0]["protocol_digest"]
    assert [case.word for case in made.cases] == [case["word"] for case in stored["cases"]]
    assert "20 of 3 \N{MULTIPLICATION SIGN} 32 \N{MULTIPLICATION SIGN} 32" in render(made)
    assert made.sentence in render(made)
    assert Report.from_json(made.to_json()) == made

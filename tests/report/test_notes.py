"""What a run's end says beside its table."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.result import Result
from pytest_robustness.report.terminal import common_images, too_few
from pytest_robustness.suite.suite import Suite, Tolerances

from tests.gate.examples import FOOLED, WITHSTOOD, WRONG, measurement
from tests.gate.test_model_verdict import TWO, suite_of

RULES = Rules(Tolerances(), 0.05)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Each test of a case is at 0.05 x 0.9 (groups) x 0.4 (cases) / 2 (attacks) / 6 (metrics) = 0.0015."""
    return suite_of(tmp_path, TWO)


def results(now: Measurement, then: Measurement | None = None) -> Mapping[str, Result]:
    return {now.case: Result(measurement=now, verdict=judge(now, then, RULES))}


@pytest.mark.parametrize(("attempts", "warned"), [(0, True), (9, True), (10, False), (100, False)])
def test_images_of_which_no_change_could_be_significant_are_warned_of(
    suite: Suite, attempts: int, warned: bool
) -> None:
    """2^-10 = 0.00098, and 2^-9 = 0.00195."""
    found = results(measurement(WITHSTOOD * attempts + WRONG * 5, case="small/fgsm"))
    lines = list(too_few(suite, found))
    assert len(lines) == warned
    assert all(line.startswith(f"WARNING: small: {attempts} images attacked") for line in lines)
    assert all(line.endswith("with fewer than 10 none ever can") for line in lines)
    assert not list(too_few(suite.model_copy(update={"policy": "tolerance"}), found))


def test_of_a_model_it_is_said_once(suite: Suite) -> None:
    found = [measurement("!.", case=f"{model}/{attack}") for model in ("small", "large") for attack in ("fgsm", "pgd")]
    lines = list(too_few(suite, {one.case: results(one)[one.case] for one in found}))
    assert [line.split(":")[1] for line in lines] == [" small", " large"]


def test_that_a_baselines_rate_is_of_other_images_is_said() -> None:
    then = measurement(FOOLED * 20 + WITHSTOOD * 20, case="small/fgsm", digest="a")
    same = measurement(FOOLED * 30 + WITHSTOOD * 10, case="small/fgsm", digest="b")
    fewer = measurement(FOOLED * 20 + WITHSTOOD * 13 + WRONG * 7, case="small/fgsm", digest="b")
    assert not list(common_images(results(same, then)))
    (line,) = common_images(results(then, fewer))
    assert line == (
        "success rates are of this run's attempts, 40 in small/fgsm; baseline and change are of the images that both "
        "runs attacked, 33 in small/fgsm"
    )
    assert not list(common_images(results(then)))

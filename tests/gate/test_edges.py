"""What no honest run stores, and values exactly at an edge."""

import json

import pytest
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.gate.update import Update, line
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Tolerances

from tests.gate.examples import measurement, refusal
from tests.suite.examples import SOUND, folder, written

__all__ = ["folder"]  # a fixture


def refused(data):
    return refusal(lambda: Measurement.from_json(json.dumps(data)))


def stored(outcomes, **given):
    return json.loads(measurement(outcomes, **given).to_json())


def test_one_noise_rate_of_a_thousand_cannot_be_edited():
    data = stored("!" * 1000)
    data["evidence"]["noise"][0] *= 1.08  # moves the mean by less than its last digit
    refused(data)


def test_two_images_cannot_change_places():
    data = stored("!.")
    for values in data["evidence"].values():
        if values:
            values.reverse()
    refused(data)


def test_evidence_is_of_as_many_images_as_its_set_has():
    data = stored("!!..")
    data["images"]["count"] = 5
    refused(data)


def test_an_unselected_image_cannot_be_dropped():
    data = stored("!!..", unselected="+" * 10)
    data["evidence"]["unselected_correct"].pop()
    refused(data)


@pytest.mark.parametrize(("kind", "value"), [("effort", 10**400), ("noise", 1e308)])
def test_values_out_of_this_world_are_refused(kind, value):
    data = stored("!!..")
    data["evidence"][kind][:2] = [value] * 2
    refused(data)


@pytest.mark.parametrize("schema", [True, 1.0, "1", None])
def test_only_the_number_one_is_schema_one(schema):
    refused(stored("!!..") | {"schema": schema})


def test_deep_nesting_is_an_error_in_one_line(folder):
    refusal(lambda: Measurement.from_json("[" * 100_000))
    path = written(folder, "a = " + "[" * 5000)
    refusal(lambda: load_suite(path))


def test_a_number_without_end_is_an_error_in_one_line(folder):
    path = written(folder, SOUND + "x = " + "9" * 5000)
    refusal(lambda: load_suite(path))


def test_a_baseline_that_cannot_be_written_is_an_error_in_one_line(tmp_path):
    (tmp_path / "zoo").write_text("a file where the folder should be")
    assert "cannot be written" in refusal(lambda: BaselineStore(tmp_path, "zoo").write([measurement("!.")]))


def test_a_move_for_the_worse_is_marked_although_it_may_be_chance():
    then, now = measurement("!" * 4 + "." * 6), measurement("!" * 6 + "." * 4)
    verdict = judge(now, then, Rules(Tolerances(), 0.01))
    assert verdict.metric("success rate").outcome == "inconclusive"
    assert "WORSE" in line(Update(now, then, verdict))
    back = judge(then, now, Rules(Tolerances(), 0.01))
    assert "WORSE" not in line(Update(then, now, back))


@pytest.mark.parametrize(
    "line", ["[normalisation]\nstd = [inf]\n", "[tolerances]\ntime = inf\n", "[tolerances]\neffort = nan\n"]
)
def test_what_is_not_finite_is_refused(folder, line):
    path = written(folder, SOUND + line)
    refusal(lambda: load_suite(path))

"""The data of a report is versioned, has a schema, and survives being written and read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_robustness.report.data import Report, json_schema

from tests.gate.examples import refusal
from tests.report.examples import ATTACKS, HOSTILE, gallery, report

ROOT = Path(__file__).parents[2]
WORSE = {"vgg11/fgsm": 0.3}


@pytest.fixture(scope="module")
def regressed(small):
    return report(
        small,
        WORSE,
        troubles={"vgg11_bn/cw": "error"},
        problems={"vgg11_bn/cw": HOSTILE},
        galleries=[gallery("vgg11/fgsm")],
    )


def test_it_survives_being_written_and_read(regressed):
    assert Report.from_json(regressed.to_json()) == regressed


def test_the_published_schema_is_the_model_s():
    assert json.loads((ROOT / "docs" / "report.schema.json").read_text()) == json_schema()


def test_every_key_that_is_written_is_in_the_schema(regressed):
    schema = json_schema()

    def check(value, place):
        place = schema["$defs"][place["$ref"].rpartition("/")[2]] if "$ref" in place else place
        if "anyOf" in place:
            place = next((one for one in place["anyOf"] if "$ref" in one or one.get("type") in ("array", "object")), {})
            return check(value, place) if value is not None and place else None
        if isinstance(value, dict) and "properties" in place:
            assert value.keys() <= place["properties"].keys()
            assert set(place.get("required", [])) <= value.keys()
            for key, one in value.items():
                check(one, place["properties"][key])
        elif isinstance(value, list) and isinstance(place.get("items"), dict):
            for one in value:
                check(one, place["items"])
        return None

    check(json.loads(regressed.to_json()), schema)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a report"),
        ("{}", "schema: None is not 2"),
        ('{"schema": 3}', "schema: 3 is not 2"),
        ('{"schema": 0}', "schema: 0 is not 2"),
        ('{"schema": true}', "schema: True is not 2"),
        ('{"schema": 2}', "title: Field required"),
        ('{"schema": 1}', "title: Field required"),
        ('{"schema": 1, "attacks": [{"protocol": {"images": 3}}]}', "title: Field required"),
        ('{"schema": 1, "attacks": [null]}', "title: Field required"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(text, said):
    assert refusal(lambda: Report.from_json(text)).startswith(said)


@pytest.mark.parametrize(
    ("key", "value"),
    [("clean", 'x" onload="alert(1)'), ("clean", "../secret"), ("confidence", 1.5), ("surplus", 1)],
)
def test_pictures_from_elsewhere_are_pictures(regressed, key, value):
    data = json.loads(regressed.to_json())
    picture = data["galleries"][0]["pictures"][0]
    (picture["before"] if key == "confidence" else picture)[key] = value
    assert refusal(lambda: Report.from_json(json.dumps(data))).startswith("galleries.0.pictures.0.")


def test_a_case_has_its_values_their_intervals_and_its_verdict(regressed):
    case = next(case for case in regressed.cases if case.case == "vgg11/fgsm")
    assert (case.word, case.failed) == ("regressed", True)
    assert case.success_rate.value == case.successes / case.attempts
    for value in (case.success_rate, case.robust_accuracy, case.noise_rate, case.time):
        low, high = value.interval
        assert low < value.value < high
    assert case.effort is None  # of a single step
    assert case.metric("success rate").change > 0.05
    assert case.test.endswith("test_robustness[vgg11/fgsm]")


def test_a_case_in_trouble_has_what_was_said_and_no_values(regressed):
    case = next(case for case in regressed.cases if case.case == "vgg11_bn/cw")
    assert (case.word, case.failed, case.reason, case.success_rate) == ("error", True, HOSTILE, None)


def test_models_attacks_and_contrasts_are_there(regressed, small):
    assert [model.name for model in regressed.models] == list(small.models)
    assert regressed.models[0].clean_accuracy.interval is not None
    assert regressed.models[0].success_rate is not None
    assert regressed.models[1].success_rate is None  # not of all attacks
    assert [attack.name for attack in regressed.attacks] == list(ATTACKS)
    assert all(attack.protocol_digest == attack.protocol.digest for attack in regressed.attacks)
    assert regressed.contrasts == []  # one of its cases is missing
    assert {one.attack for one in report(small).contrasts} == {*ATTACKS, "mean"}


def test_a_report_of_nothing(small):
    nothing = report(small, only=[])
    assert (nothing.cases, nothing.sentence, nothing.passed) == ([], "No case was run.", True)
    assert nothing.expected == 6


def run_command(*arguments, cwd):
    command = [sys.executable, "-m", "pytest_robustness", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_rendering_later_needs_no_torch(regressed, tmp_path):
    (tmp_path / "run.json").write_text(regressed.to_json())
    code = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv[1:] = ['report', 'run.json', '-o', 'page.html'];"
        "runpy.run_module('pytest_robustness', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert regressed.sentence.partition(":")[0] in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "none.json"], "none.json: No such file or directory"),
        (["report", "bad.json"], "bad.json: schema: None is not 2"),
        (["report", "bad.json", "-o", "page.pdf"], "page.pdf: should end in .html, .md or .json"),
        (["report", "."], ".: is a folder: name a run's JSON data"),
        (["report", "page.html"], "page.html: is the file that is read: give another by -o"),
        (["nonesuch"], "invalid choice: 'nonesuch' (choose from"),
    ],
)
def test_mistakes_of_the_command_cost_one_line(tmp_path, arguments, said):
    (tmp_path / "bad.json").write_text("{}")
    done = run_command(*arguments, cwd=tmp_path)
    assert done.returncode == 4
    assert said in done.stderr
    assert "Traceback" not in done.stderr

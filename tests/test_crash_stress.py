"""Whether baselines survive: a trial of each kind. benchmarks/crash_stress.py runs as many as it is asked for."""

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_robustness.gate.store import BaselineStore

from tests.gate.examples import FOOLED, measurement

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "crash_stress.py"


@pytest.fixture(scope="module")
def stress():
    spec = importlib.util.spec_from_file_location("crash_stress", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for it there
    yield spec.loader.exec_module(module) or module
    del sys.modules[spec.name]


@pytest.mark.parametrize("count", [2, pytest.param(None, marks=pytest.mark.nightly)], ids=["two", "each"])
def test_a_trial_of_a_kind_loses_nothing(stress, count):
    count = count or len(stress.KINDS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, str(SCRIPT), str(count), "--stopped", "5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["trials"], said["bad"]) == (count, 0), done.stdout
    assert done.returncode == 0


@pytest.fixture
def trial(stress, tmp_path):
    """After a run that lost nothing."""
    store = BaselineStore(tmp_path / "baselines", "stress")
    store.write(measurement(FOOLED, case=case) for case in stress.CASES)
    made = stress.Trial(tmp_path, random.Random(0), 0)
    stress.place_strangers(made)
    return made


def test_what_is_whole_is_no_problem(stress, trial):
    assert list(stress.problems(trial, stress.files(trial))) == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda file: file.write_text(file.read_text()[:200]), "m0/a0 is damaged: "),
        (lambda file: file.unlink(), "m0/a0 is gone"),
        (lambda file: file.with_name("data.csv").unlink(), "somebody else's m0/data.csv was touched"),
        (lambda file: file.with_name("data.csv").write_text("ours"), "somebody else's m0/data.csv was touched"),
        (lambda file: file.with_name("more.json").write_text(file.read_text()), "other cases are believed: "),
    ],
)
def test_what_is_lost_is_noticed(stress, trial, broken, said):
    before = stress.files(trial)
    broken(trial.baselines / "m0" / "a0.json")
    assert any(problem.startswith(said) for problem in stress.problems(trial, before))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("m0/a1: recorded\n", "said to be written: ['m0/a1'], were []"),
        ("not run: 1 of 12 cases: m0/a1\n", "nothing is said of "),
        ("not recorded: m0/a1 (crashed)\n", "exit status 0 although a case was not recorded"),
        ("INTERNALERROR\n", "an internal error"),
        ("HANGS\n", "the run hangs"),
    ],
)
def test_a_summary_that_lies_is_noticed(stress, trial, output, said):
    trial.outputs, trial.exits = [f"= robustness: stress =\n{output}"], [0]
    assert any(problem.startswith(said) for problem in stress.problems(trial, stress.files(trial)))

"""What another package may add without touching ours: it is installed, and its parts are used."""

from __future__ import annotations

import json
import os

import pytest

from tests.cli.conftest import Project

PACKAGE = '''\
"""A package of somebody else's: one part of each kind."""

from collections.abc import Iterable

import tinyzoo
import torch
from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.health.finding import Finding
from pytest_robustness.evaluate.models.libraries.base import Expected
from pytest_robustness.execute.in_process import InProcess
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.tables import Normalisation


class Grey:
    """Moves every pixel towards grey, a step a time."""

    def __init__(self, model, eps, steps=2):
        self.model, self.eps, self.steps = model, eps, steps

    def __call__(self, images, labels):
        for _ in range(self.steps):
            images = images + self.eps / self.steps * torch.sign(0.5 - images)
            self.model(images)
        return images


GREY = AttackSpec("theirs:Grey", norm="inf", stops=("full",))


class Library:
    def entry(self, name, weights, file=None):
        return Entry(name)


class Entry:
    def __init__(self, name):
        self.name = name

    def expected(self):
        return Expected(Preprocessing(resize=8, crop=8), Normalisation())

    def remote(self):
        raise NotImplementedError

    def build(self, state, arguments):
        return tinyzoo.build(self.name, **arguments)


class Largest:
    """The largest noise of all that were fooled."""

    name = "largest noise"

    def value(self, measurement):
        noise = [one for one in measurement.evidence.noise if one is not None]
        return max(noise, default=None)

    def show(self, value):
        return f"{value:.1e}"

    def compare(self, then, now, rules) -> Iterable[MetricVerdict]:
        before, after = self.value(then), self.value(now)
        outcome = "regressed" if after < before / 2 else "same"
        yield MetricVerdict(
            metric=self.name,
            outcome=outcome,
            text=f"largest noise {self.show(before)} -> {self.show(after)}",
            fails=outcome == "regressed",
            before=before,
            after=after,
        )


def csv(report):
    return "".join(f"{case.case},{case.word}\\n" for case in report.cases)


def engine(wanted):
    print("ENGINE", wanted.name)
    return InProcess(wanted)


def parity(subject):
    return Finding(
        check="parity",
        passed=len(subject) % 2 == 0,
        numbers=f"{len(subject)} images",
        meaning="an odd number",
        advice="Take one more",
    )
'''
POINTS = """\
[pytest_robustness.attacks]
Grey = theirs:GREY
[pytest_robustness.libraries]
theirs = theirs:Library
[pytest_robustness.metrics]
largest = theirs:Largest
[pytest_robustness.formats]
csv = theirs:csv
[pytest_robustness.health]
parity = theirs:parity
[pytest_robustness.engines]
mine = theirs:engine
"""
SUITE = """
[models.third]
source = "theirs:small"
arguments = { leak = 0.5 }

[attacks.grey]
attack = "Grey"
eps = 0.02
"""
HOOKS = """
def pytest_robustness_verdict(case, verdict):
    print("HOOK", case, verdict.status, verdict.passed)


def pytest_robustness_report(report):
    print("HOOK", len(report.cases), "cases")
"""
HEALTH = """
def test_health(robustness_health):
    robustness_health.check()
"""


@pytest.fixture
def outside(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The tiny project where another package is installed."""
    (project.path / "theirs.py").write_text(PACKAGE)
    info = project.path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    with (project.path / "tiny.toml").open("a") as file:
        file.write(SUITE)
    monkeypatch.setenv("PYTHONPATH", str(project.path), prepend=os.pathsep)
    return project


def run(project: Project, *arguments: str) -> pytest.RunResult:
    """In a process of its own: entry points are read once."""
    return project.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def test_parts_of_another_package_are_used_like_ours(outside: Project) -> None:
    recorded = run(outside, "--update-baselines", "-p", "no:benchmark", "-s", "--robustness-engine", "mine")
    assert recorded.ret == pytest.ExitCode.OK
    assert "ENGINE mine" in recorded.stdout.str()
    (outside.path / "conftest.py").write_text(HOOKS)
    (outside.path / "test_health.py").write_text(HEALTH)
    files = "--robustness-json", "o.json", "--robustness-report", "o.html", "--robustness-csv", "o.csv"
    result = run(outside, "-p", "no:benchmark", "--junitxml", "o.xml", "-s", *files)
    said = result.stdout.str()
    assert "largest noise" in said  # a column of the table
    assert "HOOK third/grey same True" in said  # a verdict of their model under their attack
    assert "HOOK 9 cases" in said
    data = json.loads((outside.path / "o.json").read_text())
    grey = next(case for case in data["cases"] if case["case"] == "small/pgd")
    assert grey["extra"]["largest noise"] > 0
    assert [one for one in grey["metrics"] if one["metric"] == "largest noise"]
    assert "robustness_largest_noise" in (outside.path / "o.xml").read_text()
    assert "largest noise" in (outside.path / "o.html").read_text()
    assert "third/grey,same" in (outside.path / "o.csv").read_text().splitlines()
    assert "parity" in said


def test_a_metric_of_another_package_fails_a_case(outside: Project) -> None:
    assert run(outside, "--update-baselines", "-p", "no:benchmark", "-k", "small-pgd or small/pgd").ret == 0
    theirs = outside.path / "theirs.py"
    theirs.write_text(theirs.read_text().replace("after < before / 2", "True"))
    result = run(outside, "-p", "no:benchmark", "-k", "small-pgd or small/pgd")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*small/pgd: largest noise *e-* -> *e-*"])


BROKEN = {
    "a module that is not there": (
        "theirs:Largest",
        "nonesuch:Largest",
        "pytest_robustness.metrics: nonesuch:Largest of",
    ),
    "a name that is not there": ("theirs:csv", "theirs:cvs", "pytest_robustness.formats: theirs:cvs of theirs cannot"),
    "an option that is taken": ("csv =", "json =", "pytest_robustness.formats: --robustness-json is taken"),
    "no metric": ("theirs:Largest", "theirs:csv", "pytest_robustness.metrics: largest has no name: a metric needs one"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_part_that_cannot_be_used_is_told_in_one_line(what: str, outside: Project) -> None:
    old, new, said = BROKEN[what]
    outside.edit("theirs-1.0.dist-info/entry_points.txt", old, new)
    result = run(outside, "-p", "no:benchmark", "-k", "small-fgsm or small/fgsm", "--robustness-csv", "o.csv")
    text = result.stdout.str() + result.stderr.str()
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR)
    assert said in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


ENGINES = """
class Counting(InProcess):
    def note(self):
        return "measured by Counting"


def fails(wanted):
    raise ConnectionError("no scheduler\\nat all")


def nothing(wanted):
    return None
"""
GROUP = "ERROR: --robustness-engine"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mine", "Counting", "measured by Counting"),
        ("mine", "fails", f"{GROUP} mine: theirs:fails raised ConnectionError: no scheduler"),
        ("mine", "nothing", f"{GROUP} mine: theirs:nothing returned None, which is no engine"),
        ("local", "engine", f"{GROUP}: pytest_robustness.engines: local is taken: give another name"),
    ],
)
def test_an_engine_is_what_a_function_or_a_class_makes(outside: Project, name: str, value: str, said: str) -> None:
    theirs = outside.path / "theirs.py"
    theirs.write_text(theirs.read_text() + ENGINES)
    outside.edit("theirs-1.0.dist-info/entry_points.txt", "mine = theirs:engine", f"{name} = theirs:{value}")
    result = run(outside, "--update-baselines", "-p", "no:benchmark", "-k", "small/fgsm", "--robustness-engine", name)
    lines = [line.strip() for line in result.outlines + result.errlines]
    assert said in lines
    assert "INTERNALERROR" not in "".join(lines)
    assert result.ret == (pytest.ExitCode.USAGE_ERROR if said.startswith("ERROR") else pytest.ExitCode.OK)

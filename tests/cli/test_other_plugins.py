"""A suite beside other plugins of pytest, one at a time and all together. `.ci/plugins.txt` lists them."""

import importlib.util
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from pytest_robustness.records.shard import Shard

from tests.cli.conftest import COUNTED, HEADER

FAILED = pytest.ExitCode.TESTS_FAILED
#: Plugins by the name that `-p no:` takes: their module, and options that set them to work.
PLUGINS = {
    "html": ("pytest_html", ["--html=page.html"]),
    "pytest_cov": ("pytest_cov", ["--cov=."]),
    "pytest_order": ("pytest_order", ["--order-scope=module"]),
    "randomly": ("pytest_randomly", ["-p", "randomly"]),
    "repeat": ("pytest_repeat", ["--count=2"]),
    "rerunfailures": ("pytest_rerunfailures", ["--reruns=1"]),
    "rich": ("pytest_rich", ["--rich"]),
    "sugar": ("pytest_sugar", ["--force-sugar"]),
    "timeout": ("pytest_timeout", ["--timeout=100"]),
}
MISSING = {name for name, (module, _) in PLUGINS.items() if importlib.util.find_spec(module) is None}


def run(project, chosen, *arguments):
    """A run of its own process with these plugins and none of the others."""
    off = [f"-pno:{name}" for name in PLUGINS.keys() - chosen - MISSING]
    on = [option for name in chosen for option in PLUGINS[name][1]]
    command = [sys.executable, "-m", "pytest", "--junitxml=j.xml", "--benchmark-json=b.json", *off, *on, *arguments]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=300, check=False)
    assert "INTERNALERROR" not in done.stdout + done.stderr
    return done


def table(done):
    lines = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines()
    start = next(i for i, line in enumerate(lines) if HEADER.fullmatch(line))
    rows = [line.split() for line in lines[start + 1 : start + 5]]
    return {f"{row[0]}/{row[1]}": row[-1] for row in rows}


def verdicts(project):
    """Of each test in JUnit's XML, the verdicts among its properties."""
    cases = ElementTree.parse(project.path / "j.xml").iter("testcase")
    return {
        case.get("name"): [one.get("value") for one in case.iter("property") if one.get("name") == "robustness_verdict"]
        for case in cases
        if case.get("name").startswith("test_")
    }


@pytest.mark.parametrize(
    ("name", "workers"),
    [
        *((name, "-n0") for name in [*PLUGINS, "all of them"]),
        *(pytest.param(name, "-n2", marks=pytest.mark.nightly) for name in PLUGINS),
        ("all of them", "-n2"),
    ],
)
def test_verdicts_and_what_is_written_are_the_same(recorded, name, workers):
    chosen = set(PLUGINS) if name == "all of them" else {name}
    if chosen & MISSING:
        pytest.skip(f"{', '.join(sorted(chosen & MISSING))}: not installed; .ci/run has an environment with them")
    before = recorded.files()
    repeated = "repeat" in chosen
    if not repeated:  # whose tests have other names, by which the tiny models tell how to behave
        recorded.behave(small_fgsm="weak")
    done = run(recorded, chosen, workers)
    expected = dict.fromkeys(recorded.cases, "same") | ({} if repeated else {"small/fgsm": "regressed"})
    assert done.returncode == (0 if repeated else FAILED), done.stdout
    assert table(done) == expected
    found = verdicts(recorded)
    assert len(found) == len(expected) * (2 if repeated else 1)
    assert sorted(one for each in found.values() for one in each) == sorted([*expected.values()] * (1 + repeated))
    assert all(len(each) == 1 for each in found.values())
    rows = [row["name"] for row in json.loads((recorded.path / "b.json").read_text())["benchmarks"]]
    assert len(rows) == len(set(rows)) == len(found)
    assert recorded.files() == before


@pytest.mark.parametrize("name", ["randomly", "repeat"])
def test_baselines_are_recorded_whatever_the_order_and_however_often(project, name):
    if name in MISSING:
        pytest.skip(f"{name}: not installed; .ci/run has an environment with it")
    done = run(project, {name}, "--update-baselines", "-n2")
    assert done.returncode == 0, done.stdout
    assert sorted(project.evidence()) == sorted(project.cases)


#: An attack that fails when it is called for the first time.
ONCE = """\
from pathlib import Path

from tinyzoo import Counted

CALLED = Path("called.txt")


class Once(Counted):
    def __call__(self, images, labels):
        if not CALLED.exists():
            CALLED.touch()
            raise ValueError("not yet")
        return super().__call__(images, labels)
"""


def test_the_last_attempt_of_a_shards_case_counts(project):
    if "rerunfailures" in MISSING:
        pytest.skip("rerunfailures: not installed; .ci/run has an environment with it")
    (project.path / "once.py").write_text(ONCE)
    with (project.path / "tiny.toml").open("a") as suite:
        suite.write(COUNTED.replace("counted", "once").replace("tinyzoo:Counted", "once:Once"))
    chosen = ("-k", "small and once", "--robustness-shard", "1/1", "--robustness-json", "part.json")
    done = run(project, {"rerunfailures"}, *chosen)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 5 deselected, 1 rerun" in done.stdout
    part = Shard.from_json((project.path / "part.json").read_text())
    assert (part.unmeasured, [one.case for one in part.parts]) == ([], ["small/once"])

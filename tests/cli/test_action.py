"""The GitHub Action, its steps run by hand in a repository, with stand-ins for what GitHub provides."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_robustness.gate.run_files import why_no_run
from pytest_robustness.report.data import Report

from tests.cli.conftest import Project
from tests.report import examples

ACTION = Path(__file__).parents[2] / "action"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the steps are of bash")

#: GitHub's command line: notes what it was asked, and answers what the test has laid out.
GH = """\
#!{python}
import json, sys
from pathlib import Path
here = Path(__file__).parent
words = sys.argv[1:]
bodies = [Path(word.partition("@")[2]).read_text() for word in words if word.startswith("body=@")]
with (here / "asked.jsonl").open("a") as log:
    log.write(json.dumps([words, bodies]) + "\\n")
answers = json.loads((here / "answers.json").read_text())
print(json.dumps(answers["comments" if words[1].endswith("/comments") else "pulls"]) if not bodies else "{{}}")
"""


def step(action: Path, inputs: dict[str, str], where: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the one step of an action that is a command, with its variables filled in as GitHub does."""
    described = yaml.safe_load((action / "action.yml").read_text())
    given = {name: one["default"] for name, one in described["inputs"].items()} | inputs
    (one,) = (step for step in described["runs"]["steps"] if "run" in step)
    known = {f"inputs.{name}": value for name, value in given.items()} | variables
    own = {name: known[str(value).removeprefix("${{ ").removesuffix(" }}")] for name, value in one["env"].items()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "PYTEST_"))}
    environment |= {name: value for name, value in variables.items() if name.isupper()}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", one["run"]]
    own["GITHUB_ACTION_PATH"] = str(action)
    return subprocess.run(
        command, cwd=where, env=environment | own, capture_output=True, text=True, check=False, timeout=300
    )


def gate(project: Project, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """Run the gate's step, and return how it ended, its outputs and the job's summary."""
    temporary = project.path / "temp"
    temporary.mkdir(exist_ok=True)
    files = {name: temporary / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("")
    variables = {name: str(file) for name, file in files.items()} | {"RUNNER_TEMP": str(temporary), "CI": "true"}
    ended = step(ACTION, {"python": sys.executable, "options": "-p no:benchmark"} | inputs, project.path, **variables)
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    return ended, outputs, files["GITHUB_STEP_SUMMARY"].read_text()


@pytest.fixture
def github(project: Project) -> Path:
    """A folder with GitHub's command line."""
    folder = project.path / "github"
    folder.mkdir()
    (folder / "gh").write_text(GH.format(python=sys.executable))
    (folder / "gh").chmod(0o755)
    return folder


def comment(github: Path, pulls: list[Any], comments: list[Any], **variables: str) -> tuple[Any, list[Any]]:
    """Run the comment's step, and return how it ended and what GitHub was asked."""
    (github / "answers.json").write_text(json.dumps({"pulls": pulls, "comments": [comments]}))
    (github / "asked.jsonl").unlink(missing_ok=True)
    event = {"head_sha": "f00", "head_repository.owner.login": "them", "head_branch": "theirs"}
    known = {f"github.event.workflow_run.{name}": value for name, value in event.items()}
    known |= {"github.event.workflow_run.html_url": "https://github.test/run/1"} | variables
    ended = step(
        ACTION / "comment",
        {"python": sys.executable, "token": "secret"},
        github.parent,
        PATH=f"{github}{os.pathsep}{os.environ['PATH']}",
        RUNNER_TEMP=str(github.parent / "temp"),
        GITHUB_REPOSITORY="us/ours",
        **known,
    )
    asked = github / "asked.jsonl"
    return ended, [json.loads(line) for line in asked.read_text().splitlines()] if asked.exists() else []


PULLS = [{"number": 6, "head": {"sha": "older"}}, {"number": 7, "head": {"sha": "f00"}}]
OURS = {"id": 3, "body": "<!-- pytest-robustness -->\nolder", "user": {"type": "Bot"}}


def test_green_then_red_on_a_planted_regression_and_the_comment_says_so(recorded: Project, github: Path) -> None:
    ended, outputs, summary = gate(recorded, suite="tiny.toml")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert outputs["outcome"] == "passed"
    assert summary.startswith("### ✅ Robustness of tiny")

    recorded.behave(small_pgd="weak")
    ended, outputs, summary = gate(recorded, tests="test_robustness.py")
    assert ended.returncode == 1
    assert outputs["outcome"] == "failed"
    assert summary.startswith("### ❌ Robustness of tiny")
    folder = Path(outputs["folder"])
    assert {file.name for file in folder.iterdir()} == {
        "robustness.html",
        "robustness.json",
        "robustness.md",
        "run.zip",
    }
    assert not Report.from_json((folder / "robustness.json").read_text()).passed
    assert why_no_run(folder / "run.zip") is None
    assert recorded.files(), "nothing was recorded or lost"

    ended, asked = comment(github, PULLS, [OURS | {"user": {"type": "User"}}])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    words, bodies = asked[-1]
    assert words == ["api", "repos/us/ours/issues/7/comments", "-X", "POST", "-F", words[-1]]
    assert bodies[0].startswith("<!-- pytest-robustness -->\n### ❌ Robustness of tiny")
    assert "| small | pgd | regressed |" in bodies[0]
    assert bodies[0].endswith("[The run with its report](https://github.test/run/1)\n")

    ended, asked = comment(github, PULLS, [{"id": 2, "body": "hello", "user": {"type": "Bot"}}, OURS])
    assert asked[-1][0][:4] == ["api", "repos/us/ours/issues/comments/3", "-X", "PATCH"]


def test_what_could_not_be_judged_is_told(project: Project, github: Path) -> None:
    ended, outputs, summary = gate(project, suite="nonesuch")
    assert ended.returncode == 4
    assert outputs["outcome"] == "error"
    assert "Robustness was not judged" in summary
    ended, outputs, _ = gate(project, options='"open')
    assert ended.returncode == 4
    assert outputs == {}
    assert ended.stdout == "::error::inputs tests and options: No closing quotation\n"
    ended, asked = comment(github, PULLS, [])
    assert "Robustness was not measured" in asked[-1][1][0]


def test_inputs_are_never_commands(project: Project, github: Path) -> None:
    evil = '$(touch hacked) `touch hacked` "; touch hacked; " && touch hacked #'
    for name in ("tests", "suite", "options"):
        gate(project, **{name: evil})
    comment(github, [], [], **{"github.event.workflow_run.head_branch": evil})
    assert not list(project.path.rglob("hacked"))
    for file in ACTION.rglob("action.yml"):
        for one in yaml.safe_load(file.read_text())["runs"]["steps"]:
            assert "${{" not in one.get("run", ""), "what stands in an input would be read as a part of the command"


@pytest.mark.parametrize("pulls", [[], PULLS[:1]])
def test_a_commit_that_no_open_pull_request_has_is_not_commented(pulls: list[Any], github: Path) -> None:
    ended, asked = comment(github, pulls, [])
    assert ended.returncode == 0
    assert ended.stdout == "no open pull request has the commit f00: nothing to comment on\n"
    assert [words for words, _ in asked] == [
        ["api", "repos/us/ours/pulls", "-X", "GET", "-f", "state=open", "-f", "head=them:theirs"]
    ]


@pytest.mark.parametrize("data", ["", "{}", '{"schema": 2, "title": "@everybody <img src=x>"}', "\0"])
def test_a_report_that_is_none_is_never_shown(data: str, github: Path) -> None:
    folder = github.parent / "temp" / "pytest-robustness"
    folder.mkdir(parents=True)
    (folder / "robustness.json").write_text(data)
    (folder / "robustness.md").write_text("@everybody it passed")
    ended, asked = comment(github, PULLS, [])
    assert ended.returncode == 0, ended.stderr
    (body,) = asked[-1][1]
    assert "the report cannot be read" in body
    assert "everybody" not in body


def test_no_code_of_a_checkout_runs_in_the_comments_job(github: Path) -> None:
    """Somebody's job may check the pull request out before it."""
    (github.parent / "pytest_robustness.py").write_text("raise SystemExit('it ran')\n")
    folder = github.parent / "temp" / "pytest-robustness"
    folder.mkdir(parents=True)
    (folder / "robustness.json").write_text(examples.report(examples.suite(github.parent)).to_json())
    ended, asked = comment(github, PULLS, [])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "### ✅ Robustness of zoo" in asked[-1][1][0]

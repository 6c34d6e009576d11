"""From nothing to the first verdict: init, record, commit, push, and the workflows it wrote judge a change."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_robustness.setup.ci import GITHUB, GITLAB, GITLAB_ROOT
from pytest_robustness.setup.places import Places
from pytest_robustness.setup.repository import Repository
from pytest_robustness.setup.wishes import Wishes

from tests.cli.conftest import ENVIRONMENT
from tests.cli.strangers import files, git
from tests.test_examples import copied, weaken

#: What stands for the programs of a workflow's machine: pip installs nothing, as all is installed.
PROGRAMS = {
    "pip": 'echo "pip $*"',
    "pytest": f'exec {shlex.quote(sys.executable)} -m pytest -p no:cacheprovider "$@"',
    "python": f'exec {shlex.quote(sys.executable)} "$@"',
}


class Machine:
    """Runs commands as a reader or a workflow does."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.programs.mkdir()
        for name, text in PROGRAMS.items():
            (self.programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.programs / name).chmod(0o755)

    def run(self, command: str, folder: Path, **variables: object) -> tuple[int, str]:
        """Return exit status and output of a step: ``bash -e``, as GitHub and GitLab run it."""
        dropped = {one for one in os.environ if one in ENVIRONMENT or one.startswith(("PYTEST_", "GIT_"))}
        environment = {name: value for name, value in os.environ.items() if name not in dropped}
        environment |= {
            "PATH": f"{self.programs}{os.pathsep}{environment['PATH']}",
            "OMP_NUM_THREADS": "1",
            **{name: str(value) for name, value in variables.items()},
        }
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout


def steps(workflow: Any, job: str) -> list[str]:
    """The shell commands of a job of GitHub's, in order."""
    return [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]


def test_from_nothing_to_a_verdict_and_the_workflows_judge_a_change(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    folder = copied("photographs", tmp_path)
    for name in ("robustness.toml", "test_robustness.py"):
        (folder / name).unlink()
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", str(origin))
    code, said = machine.run("python draw_photographs.py", folder)
    assert code == 0, said
    git(folder, "add", "model.py", "pyproject.toml")
    git(folder, "commit", "-qm", "A model")
    git(folder, "push", "-q", "origin", "HEAD:main")
    (folder / ".gitlab").mkdir()  # then init writes for GitLab unless it is told otherwise

    code, said = machine.run(
        "python -m pytest_robustness init --model model:Scenes --images photographs --crop 32 --mean .5 --std .5 "
        "--eps 0.03 --ci github --yes",
        folder,
    )
    assert code == 0, said
    shown = [line for line in said.splitlines() if line.startswith(("  pytest", "  git add"))]
    record, add = (line.strip().partition("    #")[0] for line in shown)
    for command in (record, "pytest"):
        code, said = machine.run(command, folder)
        assert code == 0, said
    assert re.search(r"^Scenes +pgd .* same$", said, re.MULTILINE), said
    assert machine.run(add, folder) == (0, "")
    left = [line for line in git(folder, "status", "--short", "--untracked-files=all").splitlines() if "??" in line]
    assert [line for line in left if "__pycache__" not in line] == ["?? draw_photographs.py"]
    git(folder, "commit", "-qm", "A gate")
    git(folder, "push", "-q", "origin", "HEAD:main")
    gate = git(folder, "rev-parse", "HEAD")

    weaken(folder / "model.py", "SMOOTH = 3")
    git(folder, "commit", "-qam", "Sharper")
    git(folder, "push", "-q", "origin", "HEAD:change")
    head = git(folder, "rev-parse", "HEAD")
    workflow = yaml.safe_load((folder / GITHUB).read_text())
    assert set(workflow["jobs"]) == {"measure", "judge"}
    checkout = tmp_path / "checkout"
    git(tmp_path, "clone", "-q", str(origin), str(checkout))
    git(checkout, "checkout", "-q", head)
    install, measure = steps(workflow, "measure")
    assert "pip install pytest-robustness[suite,report]==" in machine.run(install, checkout)[1]
    code, said = machine.run(measure, checkout, CI="true")
    assert code == 0, said  # that a case failed is for the judge to say
    assert "regressed" in said

    torch_free, judge = steps(workflow, "judge")
    assert "torch" not in torch_free
    for base, status, told in ((gate, 1, "regressed: Scenes/pgd: success rate"), (gate + "~", 0, "has no suite")):
        variables = {"BASE": base, "HEAD": head, "RUN": checkout / "run.zip", "RUNNER_TEMP": tmp_path}
        git(checkout, "checkout", "-q", head)
        code, said = machine.run(judge, checkout, GITHUB_STEP_SUMMARY=tmp_path / "summary.md", **variables)
        assert (code, told in said) == (status, True), said
    assert "regressed" in (tmp_path / "summary.md").read_text()
    variables["RUN"] = tmp_path / "nothing.zip"
    variables["BASE"] = gate
    assert machine.run(judge, checkout, GITHUB_STEP_SUMMARY=tmp_path / "summary.md", **variables)[0] == 4

    of_gitlab(machine, folder, checkout, gate, head)


def of_gitlab(machine: Machine, folder: Path, checkout: Path, gate: str, head: str) -> None:
    """The same judgement by GitLab's file, of the same measurements."""
    from pytest_robustness.setup.ci import workflow

    repository = Repository.of(folder)
    places = Places(repository, folder / "robustness.toml", folder / "test_robustness.py")
    texts = workflow("gitlab", Wishes("Scenes", {"source": "model:Scenes"}, folder / "photographs"), places)
    assert set(texts) == {folder / GITLAB, folder / GITLAB_ROOT}
    assert yaml.safe_load(texts[folder / GITLAB_ROOT]) == {"include": [{"local": GITLAB}]}
    jobs = yaml.safe_load(texts[folder / GITLAB])
    assert all(jobs[name]["extends"] == ".robustness" for name in jobs if not name.startswith("."))
    assert any("--robustness-run run.zip" in line for line in jobs["robustness-measure"]["script"])
    git(checkout, "checkout", "-q", head)
    script = "\n".join(jobs["robustness-judge"]["script"])
    code, said = machine.run(script, checkout, CI_MERGE_REQUEST_DIFF_BASE_SHA=gate, CI_COMMIT_SHA=head)
    assert code == 1, said
    assert "regressed: Scenes/pgd: success rate" in said


@pytest.mark.parametrize("name", ["my tests", "it's", "a\\b", "ümläut", "$HOME"])
@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_odd_paths_are_quoted_for_yaml_and_the_shell(service: str, name: str, tmp_path: Path) -> None:
    from pytest_robustness.setup.ci import workflow

    (tmp_path / "requirements.txt").write_text("torch\n")
    (tmp_path / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    places = Places(Repository.of(tmp_path), tmp_path / name / "r.toml", tmp_path / name / "test_r.py")
    texts = workflow(service, Wishes("m", {"source": "m.onnx"}, tmp_path / "p"), places)
    text = next(iter(texts.values()))
    parsed = yaml.safe_load(text)
    if service == "github":
        commands = "\n".join(step["run"] for job in parsed["jobs"].values() for step in job["steps"] if "run" in step)
        assert parsed["jobs"]["measure"]["steps"][0]["with"]["lfs"] is True
    else:
        commands = "\n".join(line for job in parsed.values() for line in job.get("script", []))
    assert "pip install -r requirements.txt" in commands
    assert "'pytest-robustness[suite,report,onnx]==" in commands
    lines = commands.replace("\\\n", " ").splitlines()
    words = [word for line in lines if "pytest_robustness judge" in line for word in shlex.split(line)]
    assert f"{name}/r.toml" in words
    assert "%%" not in text
    shell = subprocess.run(["bash", "-n", "-c", commands], capture_output=True, text=True, check=False)
    assert shell.returncode == 0, shell.stderr


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_workflow_installs_from_the_top_what_a_project_in_a_subfolder_needs(service: str, tmp_path: Path) -> None:
    from pytest_robustness.setup.ci import workflow

    (tmp_path / ".git").mkdir()
    project = tmp_path / "packages" / "two words"
    project.mkdir(parents=True)
    (project / "requirements.txt").write_text("torch\n")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    places = Places(Repository.of(project), project / "robustness.toml", project / "test_robustness.py")
    text = next(iter(workflow(service, Wishes("m", {"source": "m:m"}, project / "p"), places).values()))
    installed = [shlex.split(line)[2:] for line in text.splitlines() if line.strip().startswith("pip install -")]
    assert ["-r", "packages/two words/requirements.txt"] in installed
    assert ["-e", "./packages/two words"] in installed


def test_an_existing_gitlab_file_stays_and_says_what_to_add(tmp_path: Path) -> None:
    from pytest_robustness.setup.ci import service_of, workflow

    (tmp_path / GITLAB_ROOT).write_text("include: other.yml\n")
    assert service_of(Repository.of(tmp_path)) == "gitlab"
    before = files(tmp_path)
    places = Places.of(Repository.of(tmp_path), None, None)
    texts = workflow("gitlab", Wishes("m", {"source": "a:b"}, tmp_path / "p"), places)
    assert set(texts) == {tmp_path / GITLAB}
    assert files(tmp_path) == before


def test_the_templates_are_in_the_wheel(tmp_path: Path) -> None:
    """What the build takes is all of the package's folder; templates lie in it and are not ignored by git."""
    from importlib.resources import files as resources

    root = Path(__file__).parents[2]
    names = [one.name for one in resources("pytest_robustness.setup").joinpath("templates").iterdir()]
    assert sorted(names) == ["github.yml", "gitlab.yml", "robustness.toml", "test_robustness.py.txt"]
    if shutil.which("git") and (root / ".git").exists():
        kept = git(root, "ls-files", "plugin/pytest_robustness/setup/templates").splitlines()
        assert sorted(Path(one).name for one in kept) == sorted(names)

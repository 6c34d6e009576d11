"""`python -m pytest_robustness bisect`: the commit that made a case fail, found by measuring."""

import os
import signal
import subprocess
import sys
import time

import pytest
from pytest_robustness.cli.main import main

from tests.cli import planted
from tests.cli.planted import git

USAGE, INTERRUPTED = 4, 130


@pytest.fixture(scope="module")
def repository(tiny_images, tmp_path_factory):
    """The repository with its baselines and twelve planted commits, and the commit of each model."""
    folder = tmp_path_factory.mktemp("planted") / "repository"
    folder.mkdir()
    planted.write(folder, tiny_images)
    done = bisect_free(folder, "pytest", "-q", "--update-baselines", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    return folder, planted.plant(folder)


def bisect_free(folder, *arguments):
    """Run a module of Python in a folder, as somebody would at home."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "CI", "GIT_"))}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def bisect(folder, *arguments):
    return bisect_free(folder, "pytest_robustness", "bisect", *arguments)


def state(folder):
    return git(folder, "status", "--porcelain"), git(folder, "for-each-ref"), git(folder, "worktree", "list")


def test_a_change_of_code_is_found_and_a_dirty_checkout_stays_as_it_is(repository):
    folder, commits = repository
    (folder / "planted.py").write_text("this is no Python (")
    before = state(folder)
    done = bisect(folder, "v1", commits["m03"], "--case", "m02/fgsm", "--", "-p", "no:benchmark")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert state(folder) == before
        assert (folder / "planted.py").read_text() == "this is no Python ("
    finally:
        git(folder, "checkout", "-q", "--", "planted.py")
    said = done.stdout.partition("first bad commit: ")[2].splitlines()
    assert said[0] == commits["m02"]
    assert said[1].endswith("Faster m02")
    assert said[2].startswith("    regressed: m02/fgsm: success rate 40.0% -> 82.5% (+42.5 pp")
    assert said[3].startswith(f"    before it, at {commits['m01'][:10]}: same: m02/fgsm: success rate 40.0%")


@pytest.mark.nightly
def test_a_good_commit_that_fails_is_told_before_anything_is_tried(repository):
    folder, commits = repository
    done = bisect(folder, commits["m01"], commits["m02"], "--case", "m01/fgsm")
    assert done.returncode == USAGE
    assert "m01/fgsm fails already here, so nothing can be found" in done.stderr
    assert "Faster m02" not in done.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_search_leaves_nothing(repository, tmp_path):
    folder, _ = repository
    before = state(folder)
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    command = [sys.executable, "-m", "pytest_robustness", "bisect", "v1", "HEAD", "--case", "m01/fgsm"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("*/pytest.log")):  # a run has begun
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == INTERRUPTED
    assert said.endswith("interrupted; the temporary worktree is removed\n")
    assert state(folder) == before
    assert list(tmp_path.glob("robustness-bisect-*")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["v9", "HEAD", "--case", "m01/fgsm"], "ERROR: GOOD v9: no tag, branch or commit of this name here"),
        (["v1", "v9", "--case", "m01/fgsm"], "ERROR: BAD v9: no tag, branch or commit of this name here"),
        (["v1", "v1", "--case", "m01/fgsm"], "ERROR: GOOD and BAD are the same commit"),
        (["HEAD", "v1", "--case", "m01/fgsm"], "ERROR: BAD v1 comes before GOOD HEAD: the good commit is named first"),
        (["v1", "HEAD", "--case", "m01/pgd"], "ERROR: --case m01/pgd: tiny.toml of GOOD has no such case"),
        (["v1", "HEAD", "--case", "m01"], "ERROR: --case m01: tiny.toml of GOOD has no such case"),
        (["v1", "HEAD", "--case", "m01/fgsm", "--suite", "none.toml"], "ERROR: GOOD v1: none.toml is not in this"),
        (["v1", "HEAD"], "the following arguments are required: --case"),
    ],
)
def test_what_cannot_be_is_a_usage_error(repository, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(repository[0])
    assert main(["bisect", *arguments]) == USAGE
    assert said in capsys.readouterr().err


@pytest.mark.nightly
@pytest.mark.parametrize("model", planted.MODELS)
def test_each_planted_commit_is_found(repository, model):
    folder, commits = repository
    done = bisect(folder, "v1", "HEAD", "--case", f"{model}/fgsm")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"first bad commit: {commits[model]}\n" in done.stdout

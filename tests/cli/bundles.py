"""Bundles to verify: of a run whose outcomes are planted, or made anew by hand."""

from importlib.metadata import version
from pathlib import Path

import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.gate.bundle import packed, read_bundle
from pytest_robustness.gate.run_files import RunWriter
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.manifest import FileEntry
from pytest_robustness.records.run_record import CaseRecord, RunRecord

from tests.gate.examples import SUITE, images, measurement

FOLLOWS, FOLLOWS_NOT, REFUSED, USAGE = 0, 1, 2, 4
CASES = ("a/fgsm", "a/pgd")
COUNT = 60
BEFORE, WORSE = "!" * 10 + "." * 50, "!" * 40 + "." * 20


def record(**more: object) -> RunRecord:
    fields = {
        "suite": "s",
        "complete": True,
        "plugin": version("pytest-robustness"),
        "torch": ["2.14.1"],
        "cases": {case: CaseRecord(status="measured") for case in CASES},
    }
    return RunRecord(**fields | more)


def make(folder: Path, outcomes: str = BEFORE, run: str = "run", suite: str = "s", **more: object) -> None:
    """A suite, its baselines, and a run with such outcomes in every case."""
    (folder / f"{suite}.toml").write_text(SUITE)
    then = [measurement(BEFORE, case=case, digest="before") for case in CASES]
    now = [measurement(outcomes, case=case) for case in CASES]
    BaselineStore(folder / "baselines", suite).write(then, [images(COUNT)])
    writer = RunWriter(folder / run, suite)
    writer.start(record(suite=suite, complete=False))
    writer.finish(record(**{"suite": suite, **more}), now, [images(COUNT)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bundle(run: str = "run", *options: str, output: str = "b.zip") -> int:
    return main(["bundle", run, "--suite", "s.toml", "--baselines", "baselines", "-o", output, *options])


@pytest.fixture
def told(capsys):
    """Runs a command: its exit status, and the lines it printed, on either stream."""

    def told(*arguments: object):
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    return told


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A bundle of a run that failed, read."""
    folder = tmp_path_factory.mktemp("sound")
    make(folder, WORSE)
    arguments = ["bundle", folder / "run", "--suite", folder / "s.toml", "--baselines", folder / "baselines"]
    assert main([str(one) for one in (*arguments, "-o", folder / "b.zip")]) == 0
    return read_bundle(folder / "b.zip")


def repacked(sound, **changes: object) -> bytes:
    """A bundle whose manifest was written anew by hand, for the files that it has."""
    files = {**sound.files, **changes.pop("files", {})}
    listed = {name: FileEntry.of(data) for name, data in sorted(files.items())}
    return packed(sound.manifest.model_copy(update={"files": listed, **changes}), files)

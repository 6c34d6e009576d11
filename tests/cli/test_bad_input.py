"""Bad input: one clear line, the right exit status, nothing stored is touched, and what can still run does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pytest_robustness.evaluate.images import load

from tests.cli import bad_files, bad_folders, bad_models, bad_suites
from tests.cli.bad_input import FAILED, USAGE
from tests.cli.photographs import use_folder

ROWS = bad_suites.ROWS | bad_models.ROWS | bad_files.ROWS


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    """The tiny suite's baselines, recorded once."""
    return {}


@pytest.fixture
def sound(project, kept):
    """A project with baselines, beside it the models that are wrong."""
    shutil.copy(Path(__file__).with_name("badzoo.py"), project.path)
    return restored(project, kept)


@pytest.fixture(scope="module")
def kept_of_folder() -> dict[str, bytes]:
    """The same, with the images in a folder."""
    return {}


@pytest.fixture
def photographed(project, kept_of_folder):
    """A project with baselines whose images are photographs."""
    use_folder(project)
    return restored(project, kept_of_folder)


def restored(project, kept):
    if not kept:
        project.record()
        kept.update(project.files() | project.lists())
        load._load.cache_clear()  # one process reads a folder once: the next run here is to be another's
    for name, data in kept.items():
        file = project.baselines / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return project


@pytest.mark.parametrize("name", ROWS)
def test_bad_input_costs_one_clear_line_and_nothing_else(sound, name):
    costs_one_clear_line_and_nothing_else(sound, ROWS[name])


@pytest.mark.parametrize("name", bad_folders.ROWS)
def test_a_bad_folder_costs_one_clear_line_and_nothing_else(photographed, name):
    costs_one_clear_line_and_nothing_else(photographed, bad_folders.ROWS[name])


def costs_one_clear_line_and_nothing_else(project, row):
    row.broken(project)
    before, outside = project.files() | project.lists(), sorted(project.path.glob("outside*"))
    held = [path.read_bytes() for path in outside if path.is_file()]
    result = project.run("-p", "no:benchmark", *row.arguments)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == row.exit, text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert not [line for line in text.splitlines() if line.startswith("E  ")]
    lines = {line for line in text.splitlines() if row.said in line and not line.startswith("FAILED test_")}
    if row.exit == USAGE:
        assert len([line for line in result.errlines if line]) <= 3, text
    elif row.exit == FAILED:  # each case that fails says so in a line of its own
        assert outcomes(result) == {"passed": row.passed, "failed": 4 - row.passed}
        assert len(lines) <= 4 - row.passed + (row.passed > 0), text
    else:
        assert outcomes(result)["passed"] == row.passed
    assert lines, text
    assert not (project.path / "ran").exists()  # a pickle's code
    assert project.files() | project.lists() == before
    assert [path.read_bytes() for path in outside if path.is_file()] == held


def outcomes(result):
    """Of tests; what was taken otherwise than it is, weights of an entry say, is a warning."""
    return {"passed": 0} | {name: count for name, count in result.parseoutcomes().items() if name != "warnings"}


def test_the_table_is_long_enough():
    assert len(ROWS) >= 60
    assert len(bad_folders.ROWS) >= 30

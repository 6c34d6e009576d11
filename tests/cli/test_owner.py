"""Two suites of one name in a repository do not share a folder of baselines."""

import shutil

import pytest

OK, USAGE = pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def two(project):
    """`a/tiny.toml` has baselines, `b/tiny.toml` has none."""
    for folder in ("a", "b"):
        (project.path / folder).mkdir()
        for name in ("tiny.toml", "images.npz"):
            shutil.copy(project.path / name, project.path / folder)
    (project.path / "tiny.toml").unlink()
    project.edit("pyproject.toml", 'robustness_suite = "tiny.toml"', 'robustness_suite = "a/tiny.toml"')
    project.record()
    return project


def test_a_folder_notes_whose_baselines_it_has(two):
    assert (two.baselines / "tiny/suite.txt").read_text() == "a/tiny.toml\n"
    assert two.run().ret == OK


@pytest.mark.parametrize("options", [(), ("--update-baselines",), ("--prune-baselines",)])
def test_another_suite_of_the_same_name_is_refused_before_anything_runs(two, options):
    before = two.files()
    two.executed()
    result = two.run("--robustness-suite", "b/tiny.toml", *options)
    assert result.ret == USAGE
    (line,) = (line for line in result.errlines + result.outlines if "same name" in line)
    assert "baselines/tiny: has the baselines of " in line
    assert "a/tiny.toml, and " in line
    assert two.files() == before
    assert two.executed() == []


def test_in_a_folder_of_its_own_it_is_welcome(two):
    elsewhere = ("--robustness-suite", "b/tiny.toml", "-o", "robustness_baselines=more")
    assert two.run(*elsewhere, "--update-baselines").ret == OK
    assert (two.path / "more/tiny/suite.txt").read_text() == "b/tiny.toml\n"


def test_a_suite_that_moved_takes_its_baselines_along(two):
    shutil.move(two.path / "a", two.path / "c")
    two.edit("pyproject.toml", "a/tiny.toml", "c/tiny.toml")
    assert two.run().ret == OK
    two.behave(small_fgsm="weak")
    assert two.run("--update-baselines").ret == OK
    assert (two.baselines / "tiny/suite.txt").read_text() == "c/tiny.toml\n"


@pytest.mark.parametrize("text", ["", "nowhere.toml", "\0", "a\nb"])
def test_a_note_that_says_nothing_stops_nobody(two, text):
    (two.baselines / "tiny/suite.txt").write_text(text)
    assert two.run().ret == OK

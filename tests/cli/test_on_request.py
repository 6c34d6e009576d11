"""Attacks that a suite marks ``on_request`` run under ``-m on_request``, or where their test is named."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ALONE_AND_BY_WORKERS, Project

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
EXTRA = """
[attacks.strong]
attack = "FGSM"
eps = 0.04
on_request = true
"""


@pytest.fixture
def extended(recorded: Project) -> Project:
    with (recorded.path / "tiny.toml").open("a") as file:
        file.write(EXTRA)
    return recorded


@ALONE_AND_BY_WORKERS
def test_they_are_left_out_of_a_run_that_does_not_ask_for_them(extended: Project, workers: tuple[str]) -> None:
    result = extended.run(*workers)
    assert result.ret == OK
    result.assert_outcomes(passed=4, **({} if workers else {"deselected": 2}))
    assert extended.executed() == sorted(extended.cases)


def test_they_run_where_they_are_asked_for_and_keep_their_baselines(extended: Project) -> None:
    result = extended.run("-m", "on_request")
    assert result.ret == FAILED
    result.assert_outcomes(failed=2, deselected=4)
    extended.executed()
    lines = [line for line in result.outlines if line.startswith("small/strong: no baseline; record it: ")]
    assert len(lines) == 1
    assert extended.run_command(lines[0].partition("record it: ")[2]).ret == OK
    assert extended.executed() == ["small/strong"]
    assert extended.baseline("small/strong").exists()
    result = extended.run()  # a full run, without them: their baselines are not obsolete
    assert result.ret == OK
    assert "not in the suite" not in result.stdout.str()
    assert extended.run("-m", "(on_request)", "-k", "small").ret == OK


def test_they_take_no_part_in_what_the_others_are_judged_by(extended: Project) -> None:
    from pytest_robustness.suite.load import load_suite

    suite = load_suite(extended.path / "tiny.toml")
    assert suite.regular_attacks == ["fgsm", "pgd"]
    assert suite.case("small/fgsm").level == suite.case("small/strong").level == pytest.approx(0.05 * 0.4 / 2 / 6)
    assert [case.id for case in suite.cases()] == [
        *extended.cases[:2],
        "small/strong",
        *extended.cases[2:],
        "large/strong",
    ]
    assert extended.run("--update-baselines-missing").ret == OK  # every regular case has one
    assert extended.executed() == []


def test_a_group_cannot_take_their_markers_name(extended: Project) -> None:
    with (extended.path / "tiny.toml").open("a") as file:
        file.write('[groups]\non_request = ["small"]\n')
    result = extended.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: *tiny.toml: groups.on_request*: should be another name: *one of this plugin's*")

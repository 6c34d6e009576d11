"""``--robustness-limit``: a trial that tells how long a run would take, and judges and records nothing."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import ALONE_AND_BY_WORKERS, Project

OK, USAGE = pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR
DURATION = r"(\d+ h \d\d min|\d+ min \d\d s|\d+\.\d s)"


@ALONE_AND_BY_WORKERS
def test_each_case_has_its_durations_and_nothing_is_judged(recorded: Project, workers: tuple[str]) -> None:
    recorded.behave(small_pgd="weak")  # would fail
    before = recorded.files()
    result = recorded.run("--robustness-limit", "10", *workers)
    assert result.ret == OK
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines("*robustness: tiny, trial on 10 images*")
    result.stdout.re_match_lines([r"model +attack +images +seconds +all images +full run +memory"])
    for case in recorded.cases:
        model, attack = case.split("/")
        pattern = rf"{model} +{attack} +10 +\d+\.\d +40 +{DURATION} +\d+\.\d\d GiB"
        assert any(re.fullmatch(pattern, line) for line in result.outlines), case
    assert any(re.fullmatch(rf"all +{DURATION}", line) for line in result.outlines)
    assert "nothing was judged or recorded" in result.stdout.str()
    assert recorded.files() == before


def test_a_trial_needs_no_baseline_and_says_when_a_case_fails(project: Project) -> None:
    project.behave(small_fgsm="broken")
    result = project.run("--robustness-limit", "3")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3, failed=1)
    assert "FAILED: small/fgsm: error" in result.outlines
    assert project.files() == {}


def test_more_images_than_there_are_is_all_of_them(recorded: Project) -> None:
    result = recorded.run("--robustness-limit", "1000", "-k", "small and fgsm")
    assert result.ret == OK
    result.stdout.re_match_lines([r"small +fgsm +40 +\S+ +40 "])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("0",), "--robustness-limit 0: should be a number of images, at least 1"),
        (("5", "--update-baselines"), "--robustness-limit records nothing: leave out --update-baselines and its like"),
        (("5", "--prune-baselines"), "--robustness-limit records nothing: leave out --update-baselines and its like"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(project: Project, options: tuple[str, ...], said: str) -> None:
    result = project.run("--robustness-limit", *options)
    assert result.ret == USAGE
    assert f"ERROR: {said}" in result.errlines

"""``--update-baselines-missing``: only the cases that have no baseline."""

import pytest

from tests.cli.conftest import ALONE_AND_BY_WORKERS

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
ALL = "every case has a baseline"


def test_only_cases_without_a_baseline_run_and_are_recorded(recorded):
    before = recorded.files()
    recorded.baseline("small/pgd").unlink()
    recorded.behave(small_fgsm="weak")
    result = recorded.run("--update-baselines-missing")
    assert result.ret == OK
    result.assert_outcomes(passed=1, deselected=3)
    assert recorded.executed() == ["small/pgd"]
    assert "small/pgd: recorded" in result.outlines
    after = recorded.files()
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= {"tiny/small/pgd.json"}
    assert recorded.measurement("small/pgd").protocol == recorded.measurement("large/pgd").protocol


def test_everything_is_recorded_where_nothing_is(project):
    result = project.run("--update-baselines-missing")
    assert result.ret == OK
    assert len(project.files()) == 4
    assert project.executed() == sorted(project.cases)


def test_with_nothing_missing_it_says_so_and_exits_0(recorded):
    before = recorded.files()
    result = recorded.run("--update-baselines-missing")
    assert result.ret == OK
    assert ALL in result.outlines
    assert recorded.executed() == []
    assert recorded.files() == before


def test_nothing_selected_is_not_called_nothing_missing(recorded):
    recorded.baseline("small/pgd").unlink()
    result = recorded.run("--update-baselines-missing", "-k", "large")
    assert ALL not in result.outlines
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_other_tests_run_as_ever(recorded):
    recorded.pytester.makepyfile(test_other="def test_other(): assert 0")
    result = recorded.run("--update-baselines-missing")
    assert result.ret == FAILED
    result.assert_outcomes(failed=1, deselected=4)


def test_the_next_run_finds_them(project):
    project.record("-k", "small")
    assert project.run("--update-baselines-missing").ret == OK
    assert project.run().ret == OK


@ALONE_AND_BY_WORKERS
def test_both_ways_to_update_contradict_each_other(project, workers):
    result = project.run("--update-baselines", "--update-baselines-missing", *workers)
    assert result.ret == USAGE
    assert result.errlines == ["ERROR: --update-baselines and --update-baselines-missing: give one of them", ""]
    assert project.files() == {}


def test_workers_run_and_record_what_is_missing(recorded):
    recorded.baseline("small/pgd").unlink()
    recorded.baseline("large/fgsm").unlink()
    result = recorded.run("--update-baselines-missing", "-n2")
    assert result.ret == OK
    result.assert_outcomes(passed=2)
    assert recorded.executed() == ["large/fgsm", "small/pgd"]
    assert len(recorded.files()) == 4
    result = recorded.run("--update-baselines-missing", "-n2")
    assert result.ret == OK
    assert ALL in result.outlines
    assert recorded.executed() == []

"""A test that passes has judged its case."""

import pytest

from tests.cli.conftest import ALONE_AND_BY_WORKERS

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR


@ALONE_AND_BY_WORKERS
@pytest.mark.parametrize("body", ["robustness.check", "pass", "assert robustness"])
def test_a_case_that_was_never_checked_fails(recorded, body, workers):
    recorded.edit("test_robustness.py", "robustness.check()", body)
    result = recorded.run("-k", "small and fgsm", *workers)
    assert result.ret == FAILED
    result.assert_outcomes(failed=1)
    said = "small/fgsm: never checked: the test passed without a call of robustness.check()"
    assert said in result.stdout.str()
    (row,) = recorded.table(result)
    assert row.endswith("error")


def test_a_test_of_ones_own_with_a_case_has_nothing_to_check(recorded):
    (recorded.path / "test_robustness.py").write_text("def test_own(robustness_case): assert robustness_case\n")
    assert recorded.run().ret == OK


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("skipped", "skipped its own test: not today"),
        ("exits", "ended the process: enough"),
        ("xfails", "said its own test would fail: known"),
    ],
)
def test_a_model_that_skips_or_ends_its_test_fails_it(recorded, behaviour, said):
    recorded.behave(small_fgsm=behaviour)
    result = recorded.run("-k", "fgsm")
    assert result.ret == FAILED
    result.assert_outcomes(failed=1, passed=1)
    assert f"small/fgsm: the code of the model or of the attack {said}" in result.stdout.str()
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_test_may_still_be_skipped_by_itself(recorded):
    recorded.edit("test_robustness.py", "    robustness.check()", "    import pytest\n    pytest.skip('not today')")
    result = recorded.run("-k", "small and fgsm")
    result.assert_outcomes(skipped=1)


def test_it_runs_without_pytests_terminal(recorded):
    pty = pytest.importorskip("pty")
    import os
    import subprocess
    import sys

    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "pytest", "-p", "no:terminal", "-k", "small and fgsm"]
    done = subprocess.run(command, cwd=recorded.path, stdout=end, stderr=subprocess.PIPE, check=False)
    os.close(end)
    os.close(terminal)
    assert done.returncode == OK, done.stderr.decode()


@pytest.mark.parametrize("option", ["--update-baselines", "--update-baselines-missing", "--prune-baselines"])
def test_a_lock_that_cannot_be_taken_is_said_before_anything_runs(recorded, option, monkeypatch):
    from pytest_robustness.gate.store import BaselineStore

    lock = recorded.path / "lock"
    lock.mkdir()
    from filelock import FileLock

    monkeypatch.setattr(BaselineStore, "_lock_file", lambda self: FileLock(lock))
    before = recorded.files()
    recorded.executed()
    result = recorded.run(option)
    assert result.ret == USAGE
    assert result.errlines[0].startswith(f"ERROR: {lock}: cannot be locked: ")
    assert recorded.executed() == []
    assert recorded.files() == before


SWALLOWED = """\
import pytest


def test_robustness(robustness):
    try:
        robustness.check()
    except BaseException:
        pass
"""
EXPECTED = """\
import pytest


@pytest.mark.xfail(strict=False)
def test_robustness(robustness):
    robustness.check()
"""


@ALONE_AND_BY_WORKERS
@pytest.mark.parametrize(("test", "ended"), [(SWALLOWED, "passed"), (EXPECTED, "skipped")])
def test_a_verdict_that_its_test_swallows_fails_the_run(recorded, test, ended, workers):
    (recorded.path / "test_robustness.py").write_text(test)
    assert recorded.run("-k", "small and fgsm", *workers).ret == OK  # nothing regressed
    recorded.behave(small_fgsm="weak")
    result = recorded.run("-k", "small and fgsm", *workers)
    assert result.ret == FAILED
    said = f"small/fgsm: regressed, and its test ended as {ended}: it must not catch what check() raises, nor expect it"
    assert said in result.stdout.str()


def test_a_run_whose_cases_were_all_skipped_shows_nothing(recorded):
    recorded.edit("test_robustness.py", "    robustness.check()", "    import pytest\n    pytest.skip('not today')")
    recorded.run("--robustness-markdown", "a.md")
    assert (recorded.path / "a.md").read_text(encoding="utf-8").startswith("### \u26aa ")

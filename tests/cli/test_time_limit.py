"""`timeout` in a suite: a case that hangs ends its own worker, and the other cases are judged."""

import subprocess
import sys

import pytest

FAILED = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def hanging(project):
    """A factory that takes ten minutes, where 15 s are allowed: more than torch's import takes on a busy machine."""
    project.record()
    project.edit("tinyzoo.py", "time.sleep(60)", "time.sleep(600)")
    project.edit("tiny.toml", "batch_size = 20\n", 'batch_size = 20\ntimeout = "15 s"\n')
    project.behave(large_pgd="slow")
    return project


def run(project, *arguments):
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=300, check=False)


def test_a_case_that_hangs_is_named_and_the_others_are_judged(hanging):
    done = run(hanging, "-n", "2", "--robustness-json", "told.json")
    assert done.returncode == FAILED, done.stdout
    rows = {line.split()[0] + "/" + line.split()[1]: line.split()[-1] for line in hanging.table(Lines(done.stdout))}
    assert rows == {"large/pgd": "crashed", "small/fgsm": "same", "small/pgd": "same", "large/fgsm": "same"}
    assert "large/pgd: timed out: its suite's timeout is 15 s, so its worker was ended" in done.stdout
    assert "tinyzoo.py" in done.stderr  # where it was


class Lines:
    """What a table is found in."""

    def __init__(self, text):
        self.outlines = text.splitlines()


def test_in_the_only_process_the_run_ends_with_the_case(hanging):
    done = run(hanging, "-n", "0")
    assert done.returncode not in (0, pytest.ExitCode.USAGE_ERROR)
    assert "Timeout (0:00:15)!" in done.stderr
    assert "tinyzoo.py" in done.stderr


def test_cases_in_time_are_left_alone(project):
    project.record()
    project.edit("tiny.toml", "batch_size = 20\n", 'batch_size = 20\ntimeout = "1 h"\n')
    result = project.run()
    assert result.ret == pytest.ExitCode.OK

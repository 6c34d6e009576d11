"""A GPU that is lost ends the process that lost it, and blames no other case. The error is a pretended one."""

import shutil
from pathlib import Path

import pytest

OK, FAILED, INTERRUPTED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED
LOST = "small/fgsm: the device is lost: CUDA error: an illegal memory access was encountered"


@pytest.fixture
def losing(recorded):
    """Only the first process that runs small/fgsm loses its device; ``pids.txt`` has that of each case's."""
    shutil.copy(Path(__file__).with_name("badzoo.py"), recorded.path)
    recorded.edit("tiny.toml", "tinyzoo:small", "losing:small")
    (recorded.path / "losing.py").write_text(
        "import os, pathlib, badzoo, tinyzoo\n"
        "def small():\n"
        "    case = os.environ['PYTEST_CURRENT_TEST'].partition('[')[2].partition(']')[0]\n"
        "    with open('pids.txt', 'a') as file:\n"
        "        file.write(f'{os.getpid()} {case}\\n')\n"
        "    return badzoo.device_lost() if case == 'small/fgsm' else tinyzoo.small()\n"
    )
    return recorded


def test_a_worker_ends_and_another_goes_on(losing):
    before = losing.files()
    result = losing.run("-n1", "-p", "no:benchmark", "--update-baselines")
    assert result.ret == FAILED
    result.assert_outcomes(passed=3, failed=1)  # reported once, and no other case with it
    assert LOST in result.outlines
    assert "not recorded: small/fgsm (error)" in result.outlines
    pids = dict(reversed(line.split()) for line in (losing.path / "pids.txt").read_text().splitlines())
    assert pids["small/fgsm"] != pids["small/pgd"]
    assert losing.files().keys() == before.keys()


def test_a_single_process_stops_and_says_what_did_not_run(losing):
    result = losing.run("-p", "no:benchmark")
    assert result.ret in (FAILED, INTERRUPTED)
    assert LOST in result.outlines
    assert "not run: 3 of 4 cases: small/pgd, large/fgsm, large/pgd" in result.outlines

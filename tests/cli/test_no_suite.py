"""In a project without a suite the plugin costs next to nothing, and says so where a test asks for a case."""

import pytest

HEAVY = """\
import json, sys

def pytest_unconfigure():
    with open("heavy.json", "w") as file:
        json.dump(sorted({"torch", "pydantic", "numpy", "filelock"} & sys.modules.keys()), file)
"""

PROJECT = '[tool.pytest]\nstrict = true\naddopts = ["-p", "no:hypothesispytest", "-p", "no:anyio"]\n'


@pytest.fixture
def bare(imported, pytester):
    pytester.makefile(".toml", pyproject=PROJECT)
    return pytester


def test_nothing_heavy_is_imported(bare):
    bare.makeconftest(HEAVY)
    bare.makepyfile("def test_sum(): assert 1 + 1 == 2")
    result = bare.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1)
    assert (bare.path / "heavy.json").read_text() == "[]"


def test_a_device_needs_no_suite(bare):
    bare.makepyfile("def test_device(robustness_device): assert robustness_device.type in ('cpu', 'cuda')")
    bare.runpytest_inprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize("asked", ["robustness", "robustness_health"])
@pytest.mark.parametrize("through", ["", "own"])
def test_a_test_that_asks_for_a_case_hears_why_it_gets_none(bare, asked, through):
    own = f"import pytest\n@pytest.fixture\ndef own({asked}): return {asked}\n"
    bare.makepyfile(f"{own}\ndef test_it({through or asked}): pass")
    result = bare.runpytest_inprocess("-q")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines("no suite: name one by the ini key robustness_suite or by --robustness-suite, *")
    result.stdout.no_fnmatch_line("*Traceback*")

"""In a project without a suite the plugin costs next to nothing, and says so where a test asks for a case."""

import pytest

HEAVY = """\
import json, sys

def pytest_unconfigure():
    with open("heavy.json", "w") as file:
        json.dump(sorted({"torch", "pydantic", "numpy", "filelock"} & sys.modules.keys()), file)
"""

PROJECT = '[tool.pytest.ini_options]\naddopts = ["--strict-config", "-p", "no:hypothesispytest", "-p", "no:anyio"]\n'


#: [tool.pytest] is read from pytest 9 on.
native = pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="this pytest does not read [tool.pytest]")


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


ASKS = "def test_it({asked}): pass"


@pytest.mark.parametrize("asked", ["robustness", "robustness_health"])
@pytest.mark.parametrize("through", ["", "own"])
def test_a_test_that_asks_for_a_case_hears_why_it_gets_none(bare, asked, through):
    own = f"import pytest\n@pytest.fixture\ndef own({asked}): return {asked}\n"
    bare.makepyfile(f"{own}\n{ASKS.format(asked=through or asked)}")
    result = bare.runpytest_inprocess("-q")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert (
        f"no suite: {bare.path / 'pyproject.toml'} has no key robustness_suite, and there is no " in result.stdout.str()
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_file_that_is_named_is_the_one_pytest_read(bare):
    """An empty pytest.ini hides whatever pyproject.toml says."""
    bare.makefile(".toml", pyproject='[tool.pytest.ini_options]\nrobustness_suite = "there.toml"\n')
    bare.makefile(".ini", pytest="")
    bare.makepyfile(ASKS.format(asked="robustness"))
    said = (
        f"no suite: {bare.path / 'pytest.ini'} has no key robustness_suite, and there is no robustness.toml beside it; "
    )
    assert f"{said}name one there, or by --robustness-suite FILE.toml" in bare.runpytest_inprocess().stdout.str()


def test_without_a_configuration_file_that_is_said(bare):
    (bare.path / "pyproject.toml").unlink()
    bare.makepyfile(ASKS.format(asked="robustness"))
    said = (
        f"no suite: pytest read no configuration file, and there is no robustness.toml in {bare.path}; name one by --"
    )
    assert said in bare.runpytest_inprocess().stdout.str()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-ra"\n'),
        pytest.param("pyproject.toml", "[tool.pytest]\nstrict = true\n", marks=native),
        ("pyproject.toml", '[project]\nname = "mine"\n'),
        ("pytest.ini", "[pytest]\naddopts = -ra\n"),
        ("pytest.ini", ""),
        ("tox.ini", "[pytest]\n"),
        ("setup.cfg", "[tool:pytest]\n"),
        (None, ""),
    ],
)
def test_a_suite_called_robustness_needs_no_setting(project, name, text):
    (project.path / "pyproject.toml").unlink()
    (project.path / "tiny.toml").rename(project.path / "robustness.toml")
    if name:
        (project.path / name).write_text(text)
    result = project.run("--collect-only", "-q")
    assert result.ret == 0
    assert "test_robustness.py::test_robustness[small/fgsm]" in result.outlines


@native
def test_it_works_in_pytests_own_strict_mode(project):
    project.edit("pyproject.toml", "[tool.pytest.ini_options]\nxfail_strict = true", "[tool.pytest]\nstrict = true")
    project.record()
    result = project.run()
    assert result.ret == 0
    result.assert_outcomes(passed=4)


def test_a_file_of_that_name_that_is_no_suite_says_why_it_was_read(bare):
    (bare.path / "robustness.toml").write_text("[tool]\nx = 1\n")
    bare.makepyfile("def test_sum(): assert 1 + 1 == 2")
    result = bare.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "(found by its name, robustness.toml; if it is no suite, leave this plugin out: -p no:robustness)" in (
        result.stderr.str()
    )
    bare.runpytest_subprocess("-p", "no:robustness").assert_outcomes(passed=1)


def test_a_suite_that_was_named_is_not_said_to_be_found(project):
    project.edit("tiny.toml", "[images]", "[images")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "found by its name" not in result.stderr.str()


def test_a_setting_counts_before_the_name(project):
    (project.path / "robustness.toml").write_text("no suite at all")
    assert project.run("--collect-only", "-q").ret == 0

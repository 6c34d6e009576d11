"""Running some of the cases: what is selected is judged as ever, and nothing else is done."""

import json
import subprocess
import sys

import pytest

OK, FAILED, INTERRUPTED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED
OPTIONS = (
    "--robustness-suite",
    "--update-baselines",
    "--update-baselines-missing",
    "--update-baselines-in-ci",
    "--prune-baselines",
)
MODULES = """
import json, sys

def pytest_unconfigure(config):
    if hasattr(config, "workerinput"):
        return
    heavy = {"torch", "torchattacks", "torchvision", "scipy", "tinyzoo"}
    with open("modules.json", "w") as file:
        json.dump(sorted(heavy & sys.modules.keys()), file)
"""


def regression(result):
    """The line that says what regressed, of ``small/fgsm``."""
    (line,) = (line for line in result.outlines if line.startswith("small/fgsm: "))
    return line


def test_a_verdict_does_not_depend_on_what_else_is_run(recorded):
    recorded.behave(small_fgsm="weak")
    nodeid = "test_robustness.py::test_robustness[small/fgsm]"
    runs = [(), ("-k", "small"), ("-k", "fgsm"), ("-k", "small and fgsm"), (nodeid,), ("-x",), ("--lf",), ("--ff",)]
    results = [recorded.run(*options) for options in runs]
    assert [result.ret for result in results] == [FAILED] * len(runs)
    assert len({regression(result) for result in results}) == 1
    rows = {row for result in results for row in recorded.table(result) if row.startswith("small  fgsm ")}
    assert {row.rpartition(" ")[2] for row in rows} == {"regressed"}


def test_k_runs_and_shows_only_what_it_selects(recorded):
    result = recorded.run("-k", "large and not pgd")
    assert result.ret == OK
    result.assert_outcomes(passed=1, deselected=3)
    assert recorded.executed() == ["large/fgsm"]
    (row,) = recorded.table(result)
    assert row.startswith("large  fgsm")


def test_a_partial_run_needs_no_other_baseline(recorded):
    recorded.baseline("small/pgd").unlink()
    recorded.baseline("small/fgsm").write_text("damaged")
    assert recorded.run("-k", "large").ret == OK


def test_m_selects_by_marks_of_the_test_module(recorded):
    recorded.edit("pyproject.toml", "pythonpath", 'markers = ["slow"]\npythonpath')
    recorded.edit("test_robustness.py", "def test", "import pytest\n\n\n@pytest.mark.slow\ndef test")
    recorded.pytester.makepyfile(test_other="def test_other(): pass")
    recorded.run("-m", "not slow").assert_outcomes(passed=1, deselected=4)
    assert recorded.executed() == []
    recorded.run("-m", "slow").assert_outcomes(passed=4, deselected=1)
    assert recorded.executed() == sorted(recorded.cases)


def test_x_stops_after_the_first_regression(recorded):
    recorded.behave(small_pgd="weak", large_fgsm="weak")
    result = recorded.run("-x")
    assert result.ret == FAILED
    result.assert_outcomes(passed=1, failed=1)
    assert recorded.executed() == ["small/fgsm", "small/pgd"]
    assert [row.split()[:2] for row in recorded.table(result)] == [["small", "pgd"], ["small", "fgsm"]]


def test_x_updates_only_what_ran_before(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="weak", small_pgd="broken", large_fgsm="weak")
    result = recorded.run("-x", "--update-baselines")
    assert result.ret == FAILED
    after = recorded.files()
    assert {name for name in after if after[name] != before[name]} == {"tiny/small/fgsm.json"}


def test_lf_runs_the_regression_again_and_no_other(recorded):
    recorded.behave(large_fgsm="weak")
    assert recorded.run().ret == FAILED
    recorded.executed()
    result = recorded.run("--lf")
    assert result.ret == FAILED
    result.assert_outcomes(failed=1)
    assert recorded.executed() == ["large/fgsm"]
    recorded.behave()
    assert recorded.run("--lf").ret == OK
    assert recorded.executed() == ["large/fgsm"]


def test_an_obsolete_baseline_does_not_fail_lf(recorded):
    """Which is a partial run."""
    recorded.behave(small_fgsm="weak")
    recorded.run()
    recorded.behave()
    recorded.edit("tiny.toml", '[models.large]\nsource = "tinyzoo:large"\n', "")
    assert recorded.run("--lf").ret == OK


def test_deselecting_the_only_regression_passes(recorded):
    recorded.behave(small_fgsm="weak")
    result = recorded.run("--deselect", "test_robustness.py::test_robustness[small/fgsm]")
    assert result.ret == OK
    result.assert_outcomes(passed=3, deselected=1)


def test_collecting_lists_the_cases_and_runs_none(recorded):
    result = recorded.run("--collect-only", "-q")
    assert result.ret == OK
    listed = [line for line in result.outlines if line.startswith("test_robustness.py::")]
    assert listed == [f"test_robustness.py::test_robustness[{case}]" for case in recorded.cases]
    assert recorded.executed() == []
    assert recorded.table(result) == []


@pytest.mark.parametrize("options", [["--help"], ["--collect-only"], ["test_other.py"]], ids=" ".join)
def test_torch_is_imported_by_cases_only(project, options):
    project.pytester.makeconftest(MODULES)
    project.pytester.makepyfile(test_other="def test_other(): pass")
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=project.path, check=False, capture_output=True)
    assert json.loads((project.path / "modules.json").read_text()) == []


def test_the_controller_imports_no_torch(recorded):
    recorded.pytester.makeconftest(MODULES)
    command = [sys.executable, "-m", "pytest", "-n1", "-k", "small and fgsm", "--update-baselines"]
    result = subprocess.run(command, cwd=recorded.path, check=False, capture_output=True, text=True)
    assert result.returncode == OK, result.stdout
    assert recorded.executed() == ["small/fgsm"]
    assert json.loads((recorded.path / "modules.json").read_text()) == []


def test_help_shows_every_option_and_ini_key(project):
    result = project.run("--help")
    assert result.ret == OK
    text = result.stdout.str()
    for option in OPTIONS:
        assert f"\n  {option}" in text
    for key in ("robustness_suite", "robustness_baselines"):
        assert f"\n  {key} (string)" in text


def test_groups_of_the_suite_are_markers(recorded):
    recorded.edit(
        "tiny.toml", "[attacks.fgsm]", '[groups]\nwide = ["large"]\nall = ["small", "large"]\n\n[attacks.fgsm]'
    )
    for expression, cases in {
        "wide": ["large/fgsm", "large/pgd"],
        "all and not wide": ["small/fgsm", "small/pgd"],
    }.items():
        result = recorded.run("-m", expression)
        assert result.ret == OK
        result.assert_outcomes(passed=2, deselected=2)
        assert recorded.executed() == cases
    recorded.run("--markers").stdout.fnmatch_lines(["@pytest.mark.wide: robustness cases of large"])

"""``--update-baselines``: record what this run measures."""

import re

import pytest

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
IN_CI = "baselines are not updated where the environment variable CI is set; add --update-baselines-in-ci to do it"


def test_every_case_is_recorded_once_and_then_passes(project):
    result = project.run("--update-baselines")
    assert result.ret == OK
    result.assert_outcomes(passed=4)
    assert sorted(project.files()) == sorted(f"tiny/{case}.json" for case in project.cases)
    assert project.executed() == sorted(project.cases)
    for case in project.cases:
        assert f"{case}: recorded" in result.outlines
    result.stdout.fnmatch_lines("baselines in baselines/tiny: 4 written, 0 unchanged")
    assert project.run().ret == OK


def test_what_is_recorded_is_what_was_measured(project):
    project.behave(small_pgd="wrong")
    project.record()
    sound, wrong = project.measurement("large/pgd"), project.measurement("small/pgd")
    assert sound.aggregates.attempts == 40
    assert 0 < sound.aggregates.successes < 40
    assert wrong.aggregates.attempts < 20
    assert wrong.evidence.correct.count(0) == wrong.evidence.effort.count(None)


@pytest.mark.parametrize("options", [(), ("-p", "no:benchmark"), ("-p", "no:xdist")], ids=" ".join)
def test_unchanged_models_leave_every_byte_as_it_is(recorded, options):
    before = recorded.files()
    times = {case: recorded.baseline(case).stat().st_mtime_ns for case in recorded.cases}
    result = recorded.run("--update-baselines", *options)
    assert result.ret == OK
    assert recorded.executed() == sorted(recorded.cases)
    result.stdout.fnmatch_lines("baselines in baselines/tiny: 0 written, 4 unchanged")
    assert recorded.files() == before
    assert {case: recorded.baseline(case).stat().st_mtime_ns for case in recorded.cases} == times


def test_a_worse_model_is_recorded_with_exit_0_and_marked(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="weak", large_pgd="weak")
    result = recorded.run("--update-baselines")
    assert result.ret == OK
    result.assert_outcomes(passed=4)
    result.stdout.re_match_lines_random(
        [
            r"small/fgsm: success rate 40\.0% -> \d+\.\d% \(\+\d.*\) WORSE; ",
            r"large/pgd: success rate 45\.0% -> \d+\.\d% \(\+\d.*\) WORSE; effort 2\.\d\d -> 1\.\d\d \(-\d.*\) WORSE; ",
        ]
    )
    assert "baselines in baselines/tiny: 2 written, 2 unchanged" in result.outlines
    after = recorded.files()
    assert {name for name in after if after[name] != before[name]} == {"tiny/small/fgsm.json", "tiny/large/pgd.json"}
    assert recorded.run().ret == OK


def test_a_better_model_is_recorded_without_a_mark(recorded):
    recorded.behave(small_fgsm="weak")
    recorded.run("--update-baselines")
    recorded.behave()
    result = recorded.run("--update-baselines")
    (line,) = (line for line in result.outlines if line.startswith("small/fgsm: "))
    assert re.search(r"success rate 8\d\.\d% -> 40\.0% \(-\d", line)
    assert "WORSE" not in line


def test_another_model_that_measures_the_same_is_recorded(recorded):
    """Its digest is provenance, and the next drift is told from it."""
    before = recorded.measurement("small/fgsm")
    recorded.edit("tinyzoo.py", "return model", "model.head.bias.data += 1  # moves no argmax\n    return model")
    assert recorded.run("--update-baselines", "-k", "small and fgsm").ret == OK
    after = recorded.measurement("small/fgsm")
    assert after.evidence.success == before.evidence.success
    assert after.provenance.weights_digest != before.provenance.weights_digest


def test_another_protocol_is_recorded(recorded):
    recorded.edit("tiny.toml", "steps = 3", "steps = 2")
    result = recorded.run("--update-baselines")
    assert result.ret == OK
    assert "baselines in baselines/tiny: 2 written, 2 unchanged" in result.outlines
    assert recorded.measurement("large/pgd").protocol.parameters["steps"] == 2
    assert recorded.run().ret == OK


def test_a_partial_run_touches_only_what_ran(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="weak", large_fgsm="weak")
    assert recorded.run("--update-baselines", "-k", "small").ret == OK
    after = recorded.files()
    assert {name for name in after if after[name] != before[name]} == {"tiny/small/fgsm.json"}


@pytest.mark.parametrize("behaviour", ["broken", "skipped", "not finite"])
def test_a_case_without_a_result_keeps_its_file_and_is_named(recorded, behaviour):
    before = recorded.files()
    recorded.behave(small_fgsm=behaviour, large_fgsm="weak")
    result = recorded.run("--update-baselines")
    assert result.ret == FAILED
    keeps_and_names(recorded, result, before, "error")


def test_a_case_whose_test_is_skipped_keeps_its_file_and_is_named(recorded):
    before = recorded.files()
    recorded.behave(large_fgsm="weak")
    (recorded.path / "test_robustness.py").write_text(
        "import pytest\ndef test_robustness(robustness, robustness_case):\n"
        "    if robustness_case == 'small/fgsm':\n        pytest.skip('not today')\n    robustness.check()\n"
    )
    result = recorded.run("--update-baselines")
    assert result.ret == OK
    keeps_and_names(recorded, result, before, "skipped")


def keeps_and_names(recorded, result, before, word):
    assert f"not recorded: small/fgsm ({word})" in result.outlines
    assert any(re.fullmatch(rf"small +fgsm [ -]+ {word}", row) for row in recorded.table(result))
    after = recorded.files()
    assert {name for name in after if after[name] != before[name]} == {"tiny/large/fgsm.json"}


def test_no_case_with_a_result_is_said_too(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="broken")
    result = recorded.run("--update-baselines", "-k", "small and fgsm")
    assert result.ret == FAILED
    assert "not recorded: small/fgsm (error)" in result.outlines
    assert recorded.files() == before


def test_a_case_whose_teardown_fails_is_not_recorded(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="weak")
    recorded.pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def fragile(request):
            yield
            assert "small/fgsm" not in request.node.name
        """
    )
    result = recorded.run("--update-baselines")
    assert result.ret == FAILED
    assert "not recorded: small/fgsm (error)" in result.outlines
    assert recorded.files() == before


@pytest.mark.parametrize("option", ["--update-baselines", "--update-baselines-missing"])
def test_ci_updates_nothing(project, monkeypatch, option):
    monkeypatch.setenv("CI", "true")
    result = project.run(option)
    assert result.ret == USAGE
    assert result.errlines == [f"ERROR: {IN_CI}", ""]
    assert project.files() == {}
    assert project.executed() == []


def test_ci_judges(recorded, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert recorded.run().ret == OK


def test_ci_updates_when_told_so(project, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert project.run("--update-baselines", "--update-baselines-in-ci").ret == OK
    assert len(project.files()) == 4


def test_the_option_is_a_flag_that_swallows_no_path(project):
    project.pytester.makepyfile(test_other="def test_other(): pass")
    result = project.run("--update-baselines", "test_robustness.py")
    assert result.ret == OK
    result.assert_outcomes(passed=4)
    assert len(project.files()) == 4


def test_nothing_but_baselines_is_left_behind(project):
    before = {path.name for path in project.path.iterdir()}
    project.record()
    ours = {"executed.txt", "__pycache__", ".pytest_cache"}
    assert {path.name for path in project.path.iterdir()} - before - ours == {"baselines"}


def test_workers_record_and_mark_the_same(recorded):
    before = recorded.files()
    recorded.behave(small_fgsm="weak", large_pgd="broken")
    result = recorded.run("--update-baselines", "-n2")
    assert result.ret == FAILED  # for the broken one
    result.stdout.re_match_lines_random([r"small/fgsm: success rate 40\.0% -> \d+\.\d% .* WORSE"])
    assert "baselines in baselines/tiny: 1 written, 2 unchanged" in result.outlines
    assert "not recorded: large/pgd (error)" in result.outlines
    after = recorded.files()
    assert {name for name in after if after[name] != before[name]} == {"tiny/small/fgsm.json"}


def test_a_baseline_that_is_damaged_during_the_run_costs_no_other_case_its_result(recorded):
    """After the last test, so after every case was judged."""
    recorded.behave(small_fgsm="weak", small_pgd="weak", large_fgsm="weak", large_pgd="weak")
    (recorded.path / "conftest.py").write_text(
        "from pathlib import Path\n\n\n"
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if nodeid.endswith('[large/pgd]'):\n"
        "        Path('baselines/tiny/small/fgsm.json').write_text('{}')\n"
    )
    before = recorded.files()
    result = recorded.run("--update-baselines", "-p", "no:benchmark")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = (line for line in result.outlines if line.startswith("FAILED: "))
    assert "small/fgsm.json" in line
    assert line.endswith("; not recorded: small/fgsm")
    assert "baselines in baselines/tiny: 3 written, 0 unchanged" in result.outlines
    after = recorded.files()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"tiny/{case}.json" for case in recorded.cases}
    assert after["tiny/small/fgsm.json"] in ("{}", b"{}")

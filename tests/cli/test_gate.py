"""The gate: every case against its baseline."""

import json
import re

import pytest

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
REGRESSION = re.compile(
    r"success rate 40\.0% -> (\d+\.\d)% \(\+(\d+\.\d) pp \[.*\], (\d+) images lost, (\d+) won, p = \d(\.\d)?e-0\d\)"
)


def test_without_a_baseline_the_failure_gives_the_command_that_records_it(recorded):
    recorded.baseline("small/pgd").unlink()
    others = recorded.files()
    result = recorded.run()
    assert result.ret == FAILED
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines("small/pgd: no baseline; record it: pytest *")
    assert recorded.run_command(recorded.advice(result)).ret == OK
    assert recorded.files() == others | {"tiny/small/pgd.json": recorded.baseline("small/pgd").read_bytes()}
    assert recorded.run().ret == OK


def test_the_command_works_where_pytest_was_started(recorded, monkeypatch):
    folder = recorded.path / "checks"
    folder.mkdir()
    (recorded.path / "test_robustness.py").rename(folder / "test_robustness.py")
    recorded.baseline("small/pgd").unlink()
    monkeypatch.chdir(folder)
    result = recorded.run()
    result.assert_outcomes(passed=3, failed=1)
    assert recorded.run_command(recorded.advice(result)).ret == OK
    assert recorded.baseline("small/pgd").exists()


def test_the_command_names_a_suite_that_was_chosen(recorded):
    recorded.path.joinpath("tiny.toml").rename(recorded.path / "other suite.toml")
    result = recorded.run("--robustness-suite", "other suite.toml", "-k", "small and pgd")
    assert result.ret == FAILED
    assert recorded.run_command(recorded.advice(result)).ret == OK
    assert recorded.baseline("small/pgd", suite="other suite").exists()


def test_without_baselines_every_case_fails_with_its_own_command(project):
    result = project.run()
    assert result.ret == FAILED
    result.assert_outcomes(failed=4)
    commands = {line.partition("record it: ")[2] for line in result.outlines if ": no baseline; record it: " in line}
    assert len(commands) == 4
    assert [row.endswith("no baseline") for row in project.table(result)] == [True] * 4
    assert not project.baselines.exists()


def test_unchanged_models_pass(recorded):
    before = recorded.files()
    result = recorded.run()
    assert result.ret == OK
    result.assert_outcomes(passed=4)
    assert len(rows := recorded.table(result)) == 4
    assert all(re.search(r" \+0\.0 pp \[.*\] +same$", row) for row in rows)
    assert recorded.files() == before


def test_a_weaker_model_fails_with_the_numbers(recorded):
    recorded.behave(small_fgsm="weak")
    result = recorded.run()
    assert result.ret == FAILED
    result.assert_outcomes(passed=3, failed=1)
    (line,) = (line for line in result.outlines if line.startswith("small/fgsm: "))
    rate, rise, lost, won = map(float, REGRESSION.search(line).group(1, 2, 3, 4))
    assert rate == pytest.approx(40.0 + rise, abs=0.1)
    assert (lost - won) / 40 == pytest.approx(rise / 100, abs=1e-3)
    assert lost > 10
    assert "weights are unchanged" not in line


def test_every_metric_that_regressed_is_in_the_line(recorded):
    recorded.behave(large_pgd="weak")
    result = recorded.run()
    assert result.ret == FAILED
    result.stdout.re_match_lines_random(
        r"large/pgd: success rate 45\.0% -> .* images lost.*; effort 2\.\d\d -> 1\.\d\d \(-.* on 40 images, p = .*\)"
    )


def test_the_same_weights_with_other_results_are_called_drift(recorded):
    recorded.behave(small_fgsm="drifted")
    result = recorded.run()
    assert result.ret == FAILED
    result.stdout.fnmatch_lines("small/fgsm: success rate 40.0% -> *; the model's weights and code are unchanged, so *")


def test_the_table_shows_all_cases_failures_first(recorded):
    recorded.behave(large_pgd="weak")
    result = recorded.run()
    first, *others = recorded.table(result)
    assert re.match(
        r"large +pgd +45\.0% +\S+% \[.*\] +0\.\d{5} +\S+ +\S+ +\+\S+ pp \[.*\], effort -\S+% +regressed$",
        first,
    )
    cases = [tuple(row.split()[:2]) for row in others]
    assert cases == [("small", "fgsm"), ("small", "pgd"), ("large", "fgsm")]
    assert all(row.endswith(" same") for row in others)
    effort = [row.split()[7] for row in others]
    assert effort[0] == effort[2] == "-"  # one step costs every image the same
    assert float(effort[1]) > 0


def test_an_improvement_passes_and_is_said(recorded):
    recorded.behave(small_fgsm="weak")
    assert recorded.run("--update-baselines").ret == OK
    recorded.behave()
    result = recorded.run()
    assert result.ret == OK
    (row,) = (row for row in recorded.table(result) if row.startswith("small  fgsm"))
    assert re.search(r" -\d+\.\d pp \[.*\] +improved$", row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["aggregates"].update(success_rate=0.99), "evidence and aggregates disagree"),
        (lambda data: data["evidence"].update(success=[0] * 40), "evidence"),
        (lambda data: data.update(case="small/pgd"), "the baseline of small/pgd"),
        (lambda data: data["protocol"].update(surprise=1), "protocol.surprise"),
    ],
    ids=["aggregates", "evidence", "case", "unknown key"],
)
def test_a_baseline_edited_by_hand_fails_in_one_line_that_names_it(recorded, change, message):
    file = recorded.baseline("small/fgsm")
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    result = recorded.run()
    assert result.ret == FAILED
    result.assert_outcomes(passed=3, failed=1)
    lines = [line for line in result.outlines if str(file) in line]
    assert len(lines) == 1
    assert message in lines[0]
    assert recorded.executed() == ["large/fgsm", "large/pgd", "small/pgd"]  # no attack to find that out


def test_a_truncated_baseline_fails_in_one_line_that_names_it(recorded):
    file = recorded.baseline("large/pgd")
    file.write_text(file.read_text()[:500])
    result = recorded.run("-k", "large and pgd")
    assert result.ret == FAILED
    (line,) = (line for line in result.outlines if str(file) in line)
    assert "not JSON" in line


def test_another_protocol_is_not_comparable(recorded):
    recorded.edit("tiny.toml", 'attack = "FGSM"\neps = 0.01', 'attack = "FGSM"\neps = 0.02')
    result = recorded.run("-k", "small")
    assert result.ret == FAILED
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        "small/fgsm: not comparable, re-record: *parameters.eps: 0.01 is now 0.02; "
        "to judge the change, record on the base commit first, with this suite; record it: *"
    )
    assert recorded.table(result)[0].endswith("not comparable")
    assert recorded.run_command(recorded.advice(result)).ret == OK
    assert recorded.measurement("small/fgsm").protocol.parameters["eps"] == 0.02
    assert recorded.run("-k", "small").ret == OK


def test_without_robustness_tests_there_is_no_table(recorded):
    recorded.pytester.makepyfile(test_other="def test_other(): pass")
    result = recorded.run("test_other.py")
    assert result.ret == OK
    result.stdout.no_fnmatch_line("*robustness: tiny*")

"""--robustness-changed: what would only repeat its baseline is not measured."""

import pytest
from pytest_robustness.records.verdict import Status

from tests.cli.conftest import COUNTED, SUITE

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def counting(project):
    """With an attack whose calls are counted."""
    (project.path / "tiny.toml").write_text(SUITE + COUNTED)
    project.record()
    project.attacked()
    return project


def test_nothing_changed_nothing_is_measured(counting):
    before = counting.files()
    result = counting.run("--robustness-changed")
    assert result.ret == OK
    result.assert_outcomes(passed=6)
    rows = counting.table(result)
    assert len(rows) == 6
    assert all(row.endswith(Status.UNCHANGED) for row in rows)
    assert counting.attacked() == []
    assert counting.files() == before
    result.stdout.fnmatch_lines("6 of 6 cases were not measured: nothing changed since their baseline")


@pytest.mark.parametrize("changed", ["weak", "patched"])  # its weights, or its code
@pytest.mark.parametrize("model", ["small", "large"])
def test_a_model_that_changed_is_measured_and_judged(counting, model, changed):
    counting.behave(**{f"{model}_{attack}": changed for attack in ("fgsm", "pgd", "counted")})
    result = counting.run("--robustness-changed", "-k", "counted or fgsm")
    assert result.ret == FAILED
    rows = {tuple(row.split()[:2]): row for row in counting.table(result)}
    assert len(rows) == 4
    for (name, _), row in rows.items():
        assert row.endswith("regressed" if name == model else Status.UNCHANGED)
    assert counting.attacked() == ["20"] * 2


def test_a_case_without_a_baseline_or_with_another_protocol_is_measured(counting):
    counting.baseline("small/counted").unlink()
    counting.edit("tiny.toml", "steps = 3", "steps = 4")
    result = counting.run("--robustness-changed")
    words = {tuple(row.split()[:2]): row for row in counting.table(result)}
    assert words["small", "counted"].endswith("no baseline")
    assert words["small", "pgd"].endswith("not comparable")
    assert words["large", "counted"].endswith(Status.UNCHANGED)
    assert counting.attacked() == ["20"] * 2


def test_a_limit_is_kept_without_measuring(counting):
    counting.edit("tiny.toml", 'attack = "tinyzoo:Counted"', 'attack = "tinyzoo:Counted"\nmax_success_rate = 0.0')
    result = counting.run("--robustness-changed", "-k", "counted")
    assert result.ret == FAILED
    assert all("over limit" in row for row in counting.table(result))
    assert counting.attacked() == []


def test_recording_leaves_what_was_not_measured_alone(counting):
    before = counting.files()
    counting.behave(small_fgsm="weak", small_pgd="weak", small_counted="weak")
    result = counting.run("--robustness-changed", "--update-baselines")
    assert result.ret == OK
    changed = [name for name, text in counting.files().items() if text != before[name]]
    assert sorted(changed) == [f"tiny/small/{attack}.json" for attack in ("counted", "fgsm", "pgd")]


def test_under_xdist(counting):
    result = counting.run("--robustness-changed", "-n", "2")
    assert result.ret == OK
    assert all(row.endswith(Status.UNCHANGED) for row in counting.table(result))
    assert counting.attacked() == []

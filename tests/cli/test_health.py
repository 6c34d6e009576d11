"""``robustness_health``: one test for each model, heavy ones only when asked for."""

import shutil
from pathlib import Path

import pytest

OK, FAILED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED
HEALTH = "def test_health(robustness_health):\n    robustness_health.check()\n"


@pytest.fixture
def checked(project):
    shutil.copy(Path(__file__).with_name("badzoo.py"), project.path)
    (project.path / "test_robustness.py").unlink()
    (project.path / "test_health.py").write_text(HEALTH)
    project.edit("tiny.toml", "[attacks.fgsm]", '[groups]\nwide = ["large"]\n\n[attacks.fgsm]')
    return project


def listed(project, *arguments):
    result = project.run("--collect-only", "-q", *arguments)
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_heavy_checks_are_left_out_unless_m_says_something_of_them(checked):
    assert listed(checked) == ["test_health[small]", "test_health[large]"]
    assert listed(checked, "-m", "robustness_heavy") == ["test_health[small-heavy]", "test_health[large-heavy]"]
    assert listed(checked, "-m", "wide") == ["test_health[large]"]
    assert listed(checked, "-m", "wide and robustness_heavy") == ["test_health[large-heavy]"]


def test_findings_are_shown_and_baselines_are_none_of_their_business(checked):
    checked.edit("tiny.toml", "tinyzoo:small", "badzoo:nan_logits")
    checked.edit("tiny.toml", "tinyzoo:large", "badzoo:train_mode")
    result = checked.run("-rA", "--update-baselines")
    text = result.stdout.str()
    assert "ok deterministic: 0 of 40 images have other logits the second time" in text
    assert "small: accuracy: " in text
    assert ". Usually wrong normalisation" in text
    assert "Traceback" not in text
    assert not checked.baselines.exists()


def test_a_model_that_cannot_be_checked_costs_one_line(checked):
    checked.edit("tiny.toml", "tinyzoo:small", "badzoo:raises")
    result = checked.run("-k", "small")
    assert result.ret == FAILED
    result.stdout.re_match_lines_random([r"small: the model raised ValueError: no image pleases me \(badzoo.py:\d+\)"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_candidate_is_checked_in_the_model_s_place(checked):
    assert listed(checked, "--candidate", "small=large") == ["test_health[small]"]

"""`python -m pytest_robustness record`: baselines of a stored run, by the rules of --update-baselines."""

import json

import pytest
from pytest_robustness.cli.main import main

USAGE = 4
RULES = ("--suite", "tiny.toml", "--baselines", "baselines")


@pytest.fixture
def record(project, capsys):
    """Records a run: the exit status and the lines."""

    def record(*options, run="run.json"):
        capsys.readouterr()
        status = main(["record", run, *RULES, *options])
        told = capsys.readouterr()
        return status, (told.out + told.err).splitlines()

    return record


def measure(project, *arguments, run="run.json"):
    return project.run("-pno:benchmark", "--robustness-run", run, *arguments)


def untimed(project):
    """The baselines, line for line but for seconds and memory."""
    clocks = (b'"attack_seconds"', b'"seconds_per_attempt"', b'"peak_memory"')
    return {
        name: [line for line in data.splitlines() if not line.strip().startswith(clocks)]
        for name, data in {**project.files(), **project.lists()}.items()
    }


@pytest.mark.parametrize("run", ["run.json", "run.zip", "run"])
def test_a_run_is_recorded_as_the_run_would_have_done(project, record, run):
    measure(project, run=run)
    status, lines = record(run=run)
    assert status == 0
    assert lines[-1] == "baselines in baselines/tiny: 4 written, 0 unchanged"
    recorded = untimed(project)
    project.record()
    assert untimed(project) == recorded
    assert (project.baselines / "tiny" / "suite.txt").read_text() == "tiny.toml\n"


def test_a_committed_run_is_recorded_with_its_commit(project, record, monkeypatch):
    monkeypatch.setattr("pytest_robustness.plugin.run_output.commit_of", lambda folder: "c" * 40)
    measure(project)
    assert record()[0] == 0
    assert project.measurement("small/fgsm").provenance.commit == "c" * 40


def test_nothing_is_recorded_in_ci_unless_it_is_allowed(project, record, monkeypatch):
    measure(project)
    monkeypatch.setenv("CI", "true")
    status, (line,) = record()
    assert status == USAGE
    assert line.endswith("add --update-baselines-in-ci to do it")
    assert not project.files()
    assert record("--update-baselines-in-ci")[0] == 0
    assert len(project.files()) == 4


def test_only_missing_baselines_are_recorded_on_request(recorded, record):
    recorded.baseline("small/pgd").unlink()
    recorded.behave(large_fgsm="weak", large_pgd="weak")
    measure(recorded)
    before = recorded.files()
    status, lines = record("--missing")
    assert (status, lines[0]) == (0, "small/pgd: recorded")
    assert {name: data for name, data in recorded.files().items() if "small/pgd" not in name} == before


def test_a_case_in_trouble_keeps_its_baseline_and_is_named(recorded, record):
    recorded.behave(small_pgd="broken", large_pgd="weak")
    measure(recorded)
    before = recorded.baseline("small/pgd").read_bytes()
    status, lines = record()
    assert status == 1
    assert "this factory is broken" in lines[0]
    assert lines[-1] == "not recorded: small/pgd (error)"
    assert recorded.baseline("small/pgd").read_bytes() == before
    assert any(line.startswith("large/pgd: success rate ") and "WORSE" in line for line in lines)


def test_images_must_not_get_lost_unless_it_is_accepted(recorded, record):
    recorded.choose(range(1, 40))
    measure(recorded)
    before = recorded.files()
    status, lines = record()
    assert status == 1
    assert recorded.files() == before
    assert "--accept-removed-images" in "\n".join(lines)
    assert record("--accept-removed-images")[0] == 0
    assert recorded.measurement("small/pgd").provenance.removed_images == 1


def test_a_model_that_is_never_right_is_not_recorded(project, record):
    project.behave(small_pgd="wrong")
    images = project.images()
    chosen = [place for place, label in enumerate(images["labels"]) if label != 0]
    project.choose(chosen)
    measure(project)
    status, lines = record()
    assert status == 1
    assert not project.baseline("small/pgd").exists()
    assert project.baseline("large/pgd").exists()
    assert "nothing was attacked" in "\n".join(lines)


def test_a_candidate_and_a_run_that_did_not_end_are_not_recorded(recorded, record):
    measure(recorded, "--candidate", "small=large")
    assert "nothing to record" in record()[1][0]
    measure(recorded)
    file = recorded.path / "run.json"
    data = json.loads(file.read_text())
    data["files"]["tiny/run.json"]["complete"] = False
    file.write_text(json.dumps(data))
    status, lines = record()
    assert (status, lines) == (USAGE, ["ERROR: run.json: the run did not end: measure it again"])


def test_a_partial_run_touches_only_what_it_measured(recorded, record):
    before = recorded.files()
    recorded.behave(small_pgd="weak")
    measure(recorded, "-k", "small and pgd")
    assert record()[1][-1] == "baselines in baselines/tiny: 1 written, 0 unchanged"
    changed = {name for name, data in recorded.files().items() if before[name] != data}
    assert changed == {"tiny/small/pgd.json"}


@pytest.mark.parametrize("run", ["none.json", "tiny.toml", "images.npz", "test_robustness.py"])
def test_what_is_no_run_is_one_line(project, record, run):
    status, lines = record(run=run)
    assert status == USAGE
    assert len(lines) == 1
    assert lines[0].startswith(f"ERROR: {run}: ")

"""--robustness-run, and `python -m pytest_robustness judge`: measured by one, judged by another."""

import json
import shutil
import subprocess
import sys
import tracemalloc
import zipfile

import pytest
from pytest_robustness.cli.main import main
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.run_record import RunRecord

from tests.cli.conftest import ALONE_AND_BY_WORKERS

OK, FAILED, USAGE = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR
PASSED, REGRESSED, UNJUDGED = 0, 1, 2
RUN = ("--robustness-run", "run")


@pytest.fixture(scope="module")
def kept():
    """Files that one test made for all: baselines, and a run of the same models as a folder and as a zip file."""
    return {}


@pytest.fixture
def based(project, kept):
    """A repository with baselines, runs, and a base: suite and baselines, without images, weights and models."""
    if not kept:
        project.record()
        project.executed()
        measure(project)
        measure(project, run="run.zip")
        folders = project.baselines.rglob("*"), (project.path / "run").rglob("*"), [project.path / "run.zip"]
        for file in (file for folder in folders for file in folder if file.is_file()):
            kept[file.relative_to(project.path)] = file.read_bytes()
    for name, data in kept.items():
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes(data)
    base = project.path / "base"
    base.mkdir()
    shutil.copy(project.path / "tiny.toml", base)
    shutil.copytree(project.baselines, base / "baselines")
    project.executed()
    return project


@pytest.fixture
def judge(based, capsys):
    """Judges a run by the base: the exit status, and the lines."""

    def judge(run="run", *options):
        capsys.readouterr()
        status = main(["judge", run, "--suite", "base/tiny.toml", "--baselines", "base/baselines", *options])
        told = capsys.readouterr()
        assert bool(told.err) == (status == USAGE)
        return status, (told.err if status == USAGE else told.out).splitlines()

    return judge


def record(project, run="run"):
    return RunRecord.from_json((project.path / run / "tiny" / "run.json").read_text())


def statuses(project):
    return {case: one.status for case, one in record(project).cases.items()}


def measure(project, *arguments, run="run"):
    return project.run("--robustness-run", run, *arguments)


@ALONE_AND_BY_WORKERS
def test_a_run_has_its_measurements_whole(based, workers):
    result = measure(based, *workers)
    assert result.ret == OK
    result.stdout.fnmatch_lines(["written: run: 4 measurements"])
    found = record(based)
    assert found.complete
    assert sorted(found.cases) == sorted(based.cases)
    assert set(statuses(based).values()) == {"measured"}
    for case in based.cases:
        measured = Measurement.from_json((based.path / "run" / "tiny" / f"{case}.json").read_text())
        assert measured.evidence == based.measurement(case).evidence
        assert [measured.provenance.torch] == found.torch
    (listed,) = (based.path / "run" / "tiny").glob("images-*.json")
    assert listed.read_bytes() == based.lists()[f"tiny/{listed.name}"]


@pytest.mark.parametrize("run", ["run", "run.zip"])
def test_unchanged_models_pass(based, judge, run):
    assert judge(run) == (PASSED, ["tiny: passed: 4 cases: 4 same"])


@pytest.mark.parametrize("run", ["run", "run.zip"])
def test_a_weaker_model_is_judged_by_the_base_whatever_the_run_believed(based, judge, run):
    based.behave(small_fgsm="weak", small_pgd="weak")
    based.edit("tiny.toml", "[tolerances]", "[tolerances]\nsuccess_rate = 1.0\neffort = 10.0\nnoise_rate = 10.0")
    based.edit("pyproject.toml", '"-p", "no:anyio"', '"-p", "no:anyio", "--update-baselines"')
    assert measure(based, run=run).ret == OK
    status, lines = judge(run)
    assert status == REGRESSED
    assert lines[0].startswith("regressed: small/fgsm: success rate 40.0% -> ")
    assert any(line.startswith("failed: small under 2 attacks: success rate +") for line in lines)
    assert lines[-1] == "tiny: failed: 4 cases: 2 regressed, 2 same"


def test_the_test_module_that_measures_nothing(based, judge):
    (based.path / "test_robustness.py").write_text("def test_robustness(): pass\n")
    assert measure(based).ret == OK
    status, lines = judge()
    assert status == UNJUDGED
    assert lines[:4] == [f"not judged: {case}: not measured: the run has no measurement of it" for case in based.cases]
    assert lines[-1] == "tiny: could not be judged: 4 cases: 4 not judged"


@pytest.mark.parametrize("body", ["robustness.check", "pass"])
def test_a_case_that_was_never_checked_fails_the_run_and_cannot_be_judged(based, judge, body):
    based.edit("test_robustness.py", "robustness.check()", body)
    assert measure(based).ret == FAILED
    assert set(statuses(based).values()) == {"not checked"}
    status, lines = judge()
    assert status == UNJUDGED
    assert lines[0].startswith("not judged: small/fgsm: not checked: small/fgsm: never checked: ")


def test_a_test_of_ones_own_that_measures_nothing_cannot_be_judged(based, judge):
    (based.path / "test_robustness.py").write_text("def test_own(robustness_case): assert robustness_case\n")
    assert measure(based).ret == OK
    assert set(statuses(based).values()) == {"not checked"}
    assert judge()[0] == UNJUDGED


def test_what_became_of_each_case_is_told(based, judge):
    based.behave(small_pgd="broken", large_fgsm="dies")
    command = [sys.executable, "-m", "pytest", "-n", "2", *RUN, "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=based.path, capture_output=True, check=False)
    assert statuses(based) == {
        "small/fgsm": "measured",
        "small/pgd": "error",
        "large/fgsm": "crashed",
        "large/pgd": "measured",
    }
    status, lines = judge()
    assert status == UNJUDGED
    assert any(line.startswith("error: small/pgd: error: ") and "this factory is broken" in line for line in lines)
    assert any(line.startswith("crashed: large/fgsm: crashed: ") for line in lines)


def test_what_regressed_is_said_even_where_something_is_missing(based, judge):
    based.behave(small_fgsm="weak", large_pgd="broken")
    measure(based)
    assert judge()[0] == REGRESSED


def test_a_part_of_the_cases_is_not_enough(based, judge):
    assert measure(based, "-k", "small").ret == OK
    status, lines = judge()
    assert status == UNJUDGED
    assert lines[-1] == "tiny: could not be judged: 4 cases: 2 same, 2 not judged"


def test_a_run_that_was_cut_short_is_not_complete(based, judge):
    based.behave(large_pgd="broken")
    based.edit("test_robustness.py", "robustness.check()", "robustness.check()\n\n\ndef test_other(): assert False")
    measure(based, "-x", "-k", "test_other or small or fgsm")
    assert not record(based).complete
    measure(based, "-x")
    assert statuses(based)["large/pgd"] == "error"
    status, lines = judge()
    assert status == UNJUDGED
    assert lines[-2].startswith("unfinished: ")


def test_an_unfinished_run_does_not_pass_although_every_case_does(based, judge):
    file = based.path / "run" / "tiny" / "run.json"
    file.write_text(file.read_text().replace('"complete": true', '"complete": false'))
    status, lines = judge()
    assert status == UNJUDGED
    assert lines[-1] == "tiny: could not be judged: 4 cases: 4 same"


@pytest.mark.parametrize("run", ["run", "run.zip"])
def test_a_run_that_is_killed_leaves_nothing_that_passes_not_even_an_earlier_run(based, judge, run):
    based.behave(large_pgd="dies")
    command = [sys.executable, "-m", "pytest", "--robustness-run", run]
    assert subprocess.run(command, cwd=based.path, capture_output=True, check=False).returncode == 3
    if run == "run":
        assert not record(based).complete
        assert judge(run)[0] == UNJUDGED
        based.behave()
        measure(based, run=run)  # it may be written over
        assert judge(run)[0] == PASSED
    else:
        assert not (based.path / run).exists()
        assert judge(run)[0] == USAGE


def test_a_case_that_left_leaves_no_measurement_behind(based):
    assert len(list((based.path / "run").rglob("pgd.json"))) == 2
    measure(based, "-k", "small")
    assert sorted(path.parent.name for path in (based.path / "run").rglob("pgd.json")) == ["small"]


def test_what_cannot_be_written_at_the_end_fails_the_run(based, judge, monkeypatch):
    def full(self, measurements, lists):
        raise OSError(28, "No space left on device", "measurements")

    monkeypatch.setattr("pytest_robustness.gate.store.BaselineStore.write", full)
    result = measure(based)
    assert result.ret == FAILED
    result.stdout.fnmatch_lines(["FAILED: measurements: cannot be written: No space left on device"])
    assert judge()[0] == UNJUDGED


def test_images_of_the_base_are_demanded(based, judge):
    based.choose([i for i in range(40) if i != 7])
    measure(based)
    status, lines = judge()
    assert status == UNJUDGED
    assert all("1 image of the baseline is missing" in line for line in lines[:4])
    assert judge("run", "--accept-removed-images")[0] == PASSED


def test_more_images_are_welcome(based, judge):
    based.grow(2)
    measure(based)
    assert judge()[0] == PASSED


def test_another_protocol_cannot_be_compared(based, judge):
    based.edit("tiny.toml", 'attack = "FGSM"\neps = 0.01', 'attack = "FGSM"\neps = 0.001')
    measure(based)
    status, lines = judge()
    assert status == UNJUDGED
    assert lines[0].startswith("not comparable: small/fgsm: not comparable, re-record: the baseline's protocol differs")


def test_a_case_without_a_baseline_in_the_base(based, judge):
    (based.path / "base" / "baselines" / "tiny" / "small" / "pgd.json").unlink()
    assert judge() == (
        UNJUDGED,
        ["no baseline: small/pgd: no baseline", "tiny: could not be judged: 4 cases: 3 same, 1 no baseline"],
    )


def test_a_limit_of_the_base_counts(based, judge):
    suite = based.path / "base" / "tiny.toml"
    suite.write_text(suite.read_text().replace('attack = "FGSM"\n', 'attack = "FGSM"\nmax_success_rate = 0.1\n'))
    assert judge()[0] == REGRESSED


def test_a_model_with_other_weights_and_the_same_outcomes_is_called_out(based, judge):
    """As a factory does that leaves the baseline's evidence where the measurement should be."""
    for attack in ("fgsm", "pgd"):
        file = based.path / "run" / "tiny" / "small" / f"{attack}.json"
        data = json.loads(file.read_text())
        data["provenance"]["weights_digest"] = "another"
        file.write_text(json.dumps(data))
    assert judge() == (
        PASSED,
        [
            "note: small: the model changed, and not one image's outcome: was it measured?",
            "tiny: passed: 4 cases: 4 same",
        ],
    )


def test_cases_that_run_on_request_are_not_demanded(based, judge):
    for suite in (based.path / "base" / "tiny.toml", based.path / "tiny.toml"):
        suite.write_text(suite.read_text().replace('attack = "PGD"', 'attack = "PGD"\non_request = true'))
    measure(based)
    assert judge() == (PASSED, ["tiny: passed: 2 cases: 2 same"])


# --- runs that are none ------------------------------------------------------------------------------------------


def damage(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


DAMAGES = {
    "a measurement is missing": (
        lambda run: (run / "small" / "fgsm.json").unlink(),
        "missing, although it was measured",
    ),
    "a measurement is another's": (
        lambda run: shutil.copy(run / "small" / "pgd.json", run / "small" / "fgsm.json"),
        "a measurement of small/pgd, not of small/fgsm",
    ),
    "a measurement was edited": (
        lambda run: damage(run / "small" / "fgsm.json", '"success": [0', '"success": [1'),
        "small/fgsm.json: ",
    ),
    "a measurement lies elsewhere": (
        lambda run: (
            (run / "small" / "fgsm.json").rename(run.parent.parent / "elsewhere.json"),
            (run / "small" / "fgsm.json").symlink_to(run.parent.parent / "elsewhere.json"),
        ),
        "leads out of run",
    ),
    "no record": (lambda run: (run / "run.json").unlink(), "no run of the suite tiny: it has no record of any"),
    "another suite": (lambda run: run.rename(run.with_name("other")), "no run of the suite tiny: it is of other"),
    "another suite's record": (
        lambda run: damage(run / "run.json", '"suite": "tiny"', '"suite": "other"'),
        "suite: a run of other, not of tiny",
    ),
    "no text": (lambda run: (run / "run.json").write_bytes(b"\xff"), "not UTF-8"),
    "a damaged record": (lambda run: (run / "run.json").write_text("{"), "run.json: not JSON"),
    "an unknown status": (lambda run: damage(run / "run.json", '"measured"', '"fine"'), "cases.large/fgsm.status"),
}


@pytest.mark.parametrize(("act", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_cannot_be_judged(based, judge, act, said):
    act(based.path / "run" / "tiny")
    status, lines = judge()
    assert status == UNJUDGED
    assert said in lines[0]


def test_a_file_that_is_too_large_is_not_read(based, judge, monkeypatch):
    monkeypatch.setattr("pytest_robustness.gate.run_files.LARGEST_FILE", 2000)
    for run in ("run", "run.zip"):
        status, lines = judge(run)
        assert status == UNJUDGED
        assert "too large" in lines[0]


def test_a_zip_file_that_would_fill_the_memory_is_not_expanded(based, judge, monkeypatch):
    monkeypatch.setattr("pytest_robustness.gate.run_files.LARGEST_FILE", 10**6)
    rewritten(based, lambda _, members: members.update({"tiny/run.json": bytes(10**8)}), zipfile.ZIP_DEFLATED)
    assert (based.path / "other.zip").stat().st_size < 10**6
    tracemalloc.start()
    try:
        status, lines = judge("other.zip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == UNJUDGED
    assert "too large" in lines[0]
    assert peak < 2 * 10**7


def rewritten(project, change, method=zipfile.ZIP_STORED):
    """A zip file with the run's members, changed."""
    with zipfile.ZipFile(project.path / "run.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(project.path / "other.zip", "w", method) as archive:
        change(archive, members)
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda archive, members: archive.writestr("tiny/run.json", members["tiny/run.json"]), "two files of one name"),
        (lambda archive, members: members.pop("tiny/run.json"), "no run of the suite tiny"),
        (
            lambda archive, members: archive.writestr("tiny/run.json", members.pop("tiny/run.json"), zipfile.ZIP_LZMA),
            "should be stored or deflated",
        ),
    ],
    ids=["twice", "no record", "another method"],
)
def test_a_zip_file_that_is_no_run(based, judge, change, said):
    rewritten(based, change)
    status, lines = judge("other.zip")
    assert status == UNJUDGED
    assert said in lines[0]


def test_members_of_a_zip_file_that_lead_out_of_it_go_nowhere(based, judge):
    rewritten(based, lambda archive, members: archive.writestr("../../escaped.json", "{}"))
    before = sorted(based.path.parent.rglob("*.json"))
    assert judge("other.zip")[0] == PASSED
    assert sorted(based.path.parent.rglob("*.json")) == before


def test_a_zip_file_of_noise(based, judge):
    (based.path / "run.zip").write_bytes(b"PK\x03\x04 and nothing")
    status, lines = judge("run.zip")
    assert status == UNJUDGED
    assert "not a zip file" in lines[0]


def test_text_of_a_run_moves_no_cursor(based, judge):
    based.behave(small_fgsm="broken")
    measure(based)
    file = based.path / "run" / "tiny" / "run.json"
    damage(file, "this factory is broken", r"\u001b[2J\n::error::broken")
    lines = judge()[1]
    assert r"\x1b[2J ::error::broken" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none", "--suite", "base/tiny.toml", "--baselines", "base/baselines"), "none: no such run"),
        (("run", "--suite", "none.toml", "--baselines", "base/baselines"), "none.toml: cannot be read"),
        (("run", "--suite", "base/tiny.toml", "--baselines", "none"), "no folder none"),
        (("run", "--suite", "base/tiny.toml", "--baselines", "base"), "no folder base/tiny"),
    ],
)
def test_usage_errors_are_one_line(based, arguments, said, capsys):
    capsys.readouterr()
    assert main(["judge", *arguments]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_what_is_left_out_is_a_usage_error(based, capsys):
    assert main(["judge", "run", "--suite", "base/tiny.toml"]) == USAGE
    assert "--baselines" in capsys.readouterr().err


def test_neither_torch_nor_pytest_nor_images_are_needed(based):
    shutil.move(based.path / "run.zip", based.path / "base")
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in ("torch", "pytest", "_pytest", "jinja2", "PIL"))
    arguments = ["judge", "run.zip", "--suite", "tiny.toml", "--baselines", "baselines"]
    code = f"import sys; {blocked}from pytest_robustness.cli.main import main; sys.exit(main({arguments}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=based.path / "base", capture_output=True, check=False)
    assert done.stderr.decode() == ""
    assert done.stdout.decode() == "tiny: passed: 4 cases: 4 same\n"
    assert done.returncode == PASSED


# --- places a run must not be written to -------------------------------------------------------------------------

MISTAKES = {
    "parent": (("none/run",), "--robustness-run: no folder "),
    "baselines": (("baselines/run",), "lies among the baselines, in "),
    "above baselines": (("above",), "above holds the baselines, "),
    "the baselines": (("baselines",), "lies among the baselines, in "),
    "anchors": (("release", "--robustness-anchor", "release"), "lies among the anchors, in "),
    "here": ((".",), "tiny.toml, which is read by this run: give another folder"),
    "images": (("images.npz",), "images.npz is read by this run"),
    "other files": (("full",), "full is a folder with something else in it: notes.txt: "),
    "other baselines": (("old",), "old is a folder with something else in it: tiny: "),
    "a file": (("tinyzoo.py",), "is a file: name a folder, or a .zip or .json file"),
    "another zip file": (("other.zip",), "other.zip exists, and is no earlier run"),
    "another output": (("run", "--robustness-json", "run"), "lies in "),
    "an output in it": (("run", "--robustness-json", "run/a.json"), "lies in "),
    "trial": (("run", "--robustness-limit", "3"), "a trial is no measurement"),
    "changed": (("run", "--robustness-changed"), "a run has every measurement"),
    "no suite": (("run", "-o", "robustness_suite="), "no suite to report on"),
}


@pytest.mark.parametrize(("options", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_place_that_is_not_a_runs_is_refused_before_anything_runs(based, options, said, capsys):
    assert main(["anchor", "tiny.toml", "release"]) == OK
    (based.path / "full").mkdir()
    (based.path / "full" / "notes.txt").write_text("mine")
    shutil.copytree(based.baselines, based.path / "old")
    with zipfile.ZipFile(based.path / "other.zip", "w") as archive:
        archive.writestr("notes.txt", "mine")
    if options[0] == "above":
        (based.path / "above").mkdir()
        based.baselines.rename(based.path / "above" / "baselines")
        based.edit("pyproject.toml", "robustness_suite", 'robustness_baselines = "above/baselines"\nrobustness_suite')
    before = {path: path.read_bytes() for path in based.path.rglob("*") if path.is_file()}
    result = based.run("--robustness-run", *options, "-p", "no:cacheprovider")
    assert result.ret == USAGE
    assert said in result.stdout.str() + result.stderr.str()
    assert based.executed() == []
    after = {path: path.read_bytes() for path in based.path.rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if "__pycache__" not in path.parts} == {
        path: data for path, data in before.items() if "__pycache__" not in path.parts
    }


def test_collecting_writes_nothing(project):
    measure(project, "--collect-only")
    assert not (project.path / "run").exists()

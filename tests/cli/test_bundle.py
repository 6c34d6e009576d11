"""A bundle holds what its verdict follows from, and says the same wherever it is read."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate import list_files
from pytest_robustness.gate.bundle import read_bundle
from pytest_robustness.gate.run_files import RunWriter
from pytest_robustness.records.manifest import Manifest
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report.data import Report

from tests.cli.bundles import (
    BEFORE,
    CASES,
    COUNT,
    FOLLOWS,
    REFUSED,
    USAGE,
    WORSE,
    bundle,
    here,
    make,
    record,
    sound,
    told,
)
from tests.gate.examples import images, measurement

__all__ = ["here", "sound", "told"]  # fixtures


@pytest.mark.parametrize(("outcomes", "word"), [(BEFORE, "passed"), (WORSE, "failed")])
@pytest.mark.parametrize("run", ["run", "run.zip"])
def test_it_verifies_elsewhere_whatever_the_verdict_is(here, told, tmp_path_factory, outcomes, word, run):
    make(here, outcomes, run)
    assert bundle(run) == 0
    elsewhere = tmp_path_factory.mktemp("else where") / "moved.zip"
    shutil.copy(here / "b.zip", elsewhere)
    for name in ("s.toml", "baselines", run):
        (here / name).rename(here / f"gone-{name}")
    status, lines = told("verify", elsewhere)
    assert status == FOLLOWS
    assert lines[-2] == f"the verdict follows from the evidence: {word}"
    assert lines[-1].startswith("what this cannot show: that the evidence was honestly taken")
    digest = lines[0].removeprefix("manifest: sha256 ")
    assert told("verify", elsewhere, "--expect", digest.upper())[0] == FOLLOWS
    status, lines = told("verify", elsewhere, "--expect", "0" * 64)
    assert status == REFUSED
    assert "not the expected one" in lines[-1]
    assert told("verify", elsewhere, "--expect", "abc")[0] == USAGE


def test_images_that_were_left_out_are_told(here, told):
    """Whoever makes a bundle chooses whether they may be missing. Its reader has to know."""
    make(here, BEFORE)
    writer = RunWriter(here / "run", "s")
    writer.finish(record(), [measurement(WORSE[40:], case=case) for case in CASES], [images(20)])
    assert bundle("run", "--accept-removed-images") == 0
    status, lines = told("verify", "b.zip")
    assert (status, lines[-2]) == (FOLLOWS, "the verdict follows from the evidence: passed")
    assert "note: a/fgsm, a/pgd: 40 images of the baseline are missing, which was accepted" in lines


def test_an_unfinished_run_is_bundled_as_one_that_could_not_be_judged(here, told):
    make(here, complete=False)
    assert bundle() == 0
    assert read_bundle(here / "b.zip").manifest.outcome == "unjudged"
    status, lines = told("verify", "b.zip")
    assert status == FOLLOWS
    assert lines[-2].endswith("could not be judged")


def test_equal_evidence_makes_equal_bundles(here, tmp_path_factory, monkeypatch):
    make(here)
    assert bundle() == 0
    other = tmp_path_factory.mktemp("other")
    monkeypatch.chdir(other)
    make(other, run="again.zip")
    assert bundle("again.zip") == 0
    assert (here / "b.zip").read_bytes() == (other / "b.zip").read_bytes()


def test_it_holds_all_that_the_verdict_follows_from(here):
    make(here)
    assert bundle() == 0
    found = read_bundle(here / "b.zip")
    listed = list_files.path_of(Path(), images(COUNT).digest).name
    parts = [f"{where}/s/{name}" for where in ("run", "baselines") for name in (listed, *(f"{c}.json" for c in CASES))]
    assert sorted(found.files) == sorted(["s.toml", "report.json", "run/s/run.json", *parts])
    assert found.files["s.toml"] == (here / "s.toml").read_bytes()
    assert found.files["baselines/s/a/pgd.json"] == (here / "baselines" / "s" / "a" / "pgd.json").read_bytes()
    assert found.manifest.versions["torch"] == ["2.14.1"]
    report = Report.from_json(found.files["report.json"].decode())
    assert (report.passed, report.provenance.created) == (True, "")
    assert all(case.slices or case.success_rate for case in report.cases)


def test_there_is_no_bundle_where_there_is_none(here, told):
    for path in ("none.zip", "."):
        status, lines = told("verify", path)
        assert status == USAGE
        assert "no such bundle" in lines[-1]


@pytest.mark.parametrize("given", ["report.json of it", "of another run"])
def test_a_report_has_to_say_what_the_evidence_says(here, told, given):
    make(here, WORSE)
    assert bundle() == 0
    (here / "r.json").write_bytes(read_bundle(here / "b.zip").files["report.json"])
    if given == "of another run":
        make(here)
    status, lines = told(
        "bundle", "run", "--suite", "s.toml", "--baselines", "baselines", "-o", "c.zip", "--report", "r.json"
    )
    assert status == (0 if given == "report.json of it" else USAGE)
    assert (here / "c.zip").exists() == (status == 0)
    if status:
        assert "r.json: a/fgsm: it says regressed, and by the evidence it is same: is it the report" in lines[-1]
    else:
        assert read_bundle(here / "c.zip") == read_bundle(here / "b.zip")


MISTAKES = {
    "no run": (["gone", "--suite", "s.toml", "--baselines", "baselines", "-o", "b.zip"], "gone: no such run"),
    "no suite": (["run", "--suite", "no.toml", "--baselines", "baselines", "-o", "b.zip"], "no.toml"),
    "no baselines": (["run", "--suite", "s.toml", "--baselines", "no", "-o", "b.zip"], "--baselines no"),
    "no report": (["run", "--suite", "s.toml", "--baselines", "baselines", "-o", "b.zip", "--report", "no"], "no: "),
    "report of nothing": (
        ["run", "--suite", "s.toml", "--baselines", "baselines", "-o", "b.zip", "--report", "s.toml"],
        "s.toml: not JSON",
    ),
    "suffix": (["run", "--suite", "s.toml", "--baselines", "baselines", "-o", "b.tar"], "should end in .zip"),
    "over a run": (["run", "--suite", "s.toml", "--baselines", "baselines", "-o", "mine.zip"], "is there already"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_cost_a_line_and_nothing_else(here, told, mistake):
    make(here)
    (here / "mine.zip").write_bytes(b"mine")
    arguments, said = MISTAKES[mistake]
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    status, lines = told("bundle", *arguments)
    assert status == USAGE
    assert said in lines[-1]
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_damaged_evidence_is_not_bundled(here, told):
    make(here)
    (here / "run" / "s" / "a" / "pgd.json").write_text("{}")
    assert bundle() == USAGE
    make(here)
    (here / "baselines" / "s" / "a" / "pgd.json").write_text("{}")
    assert bundle() == USAGE
    assert not (here / "b.zip").exists()


def test_a_bundle_takes_the_place_of_an_earlier_one(here):
    make(here)
    assert bundle() == 0
    first = (here / "b.zip").read_bytes()
    make(here, WORSE)
    assert bundle() == 0
    assert (here / "b.zip").read_bytes() != first


@pytest.mark.parametrize("command", ["bundle", "verify"])
def test_neither_needs_torch(here, command):
    make(here)
    assert bundle() == 0
    arguments = {
        "bundle": ["bundle", "run", "--suite", "s.toml", "--baselines", "baselines", "-o", "c.zip"],
        "verify": ["verify", "b.zip"],
    }[command]
    code = (
        "import sys; sys.modules['torch'] = sys.modules['pytest'] = None; from pytest_robustness.cli.main import main; "
        f"sys.exit(main({arguments!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, check=False).returncode == 0


def test_a_manifest_is_read_as_it_was_written_and_not_otherwise(sound):
    text = sound.manifest.to_json()
    assert Manifest.from_json(text) == sound.manifest
    for other in (text + "\n", text.replace("  ", " "), text.replace('"schema": 1', '"schema": 2'), "[]", ""):
        with pytest.raises(RobustnessError):
            Manifest.from_json(other)


def test_a_measurement_of_an_older_schema_keeps_its_bytes(here):
    """Baselines are copied, not written anew."""
    make(here)
    path = here / "baselines" / "s" / "a" / "pgd.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert Measurement.from_json(path.read_text(encoding="utf-8"))
    assert bundle() == 0
    assert read_bundle(here / "b.zip").files["baselines/s/a/pgd.json"] == path.read_bytes()


@pytest.mark.parametrize(
    ("behaviour", "options"),
    [
        ({"small_pgd": "weak"}, ()),
        ({"small_pgd": "weak"}, ("--candidate", "small=large")),
        ({"small_pgd": "broken"}, ("-k", "pgd")),
        ({"small_fgsm": "drifted"}, ("-x",)),
    ],
)
def test_the_report_of_a_run_says_what_is_made_of_its_evidence(recorded, told, monkeypatch, behaviour, options):
    """So whatever follows from the evidence can be demanded of a report, to the word."""
    monkeypatch.chdir(recorded.path)
    recorded.behave(**behaviour)
    recorded.run("-p", "no:benchmark", "--robustness-json", "r.json", "--robustness-run", "run", *options)
    where = ["--suite", "tiny.toml", "--baselines", "baselines", "--report", "r.json"]
    assert told("bundle", "run", *where, "-o", "b.zip")[0] == 0
    assert read_bundle(recorded.path / "b.zip").files["report.json"] == (recorded.path / "r.json").read_bytes()
    assert told("verify", "b.zip")[0] == FOLLOWS

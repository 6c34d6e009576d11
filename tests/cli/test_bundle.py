"""A bundle is whole or refused, and its verdict follows from its evidence or does not, wherever it is read."""

import io
import json
import shutil
import stat
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_robustness.cli.main import main
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate import list_files
from pytest_robustness.gate.bundle import COMMENT, MANIFEST, BundleRefused, packed, read_bundle
from pytest_robustness.gate.run_files import RunWriter
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.manifest import FileEntry, Manifest
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.run_record import CaseRecord, RunRecord
from pytest_robustness.report.data import Report

from tests.gate.examples import SUITE, images, measurement

FOLLOWS, FOLLOWS_NOT, REFUSED, USAGE = 0, 1, 2, 4
LOOSE = "\n".join(f"{one} = 10.0" for one in ("success_rate", "robust_accuracy", "effort", "noise_rate", "time"))
CASES = ("a/fgsm", "a/pgd")
COUNT = 60
BEFORE, WORSE = "!" * 10 + "." * 50, "!" * 40 + "." * 20


def record(**more: object) -> RunRecord:
    fields = {
        "suite": "s",
        "complete": True,
        "plugin": version("pytest-robustness"),
        "torch": ["2.14.1"],
        "cases": {case: CaseRecord(status="measured") for case in CASES},
    }
    return RunRecord(**fields | more)


def make(folder: Path, outcomes: str = BEFORE, run: str = "run", suite: str = "s", **more: object) -> None:
    """A suite, its baselines, and a run with such outcomes in every case."""
    (folder / f"{suite}.toml").write_text(SUITE)
    then = [measurement(BEFORE, case=case, digest="before") for case in CASES]
    now = [measurement(outcomes, case=case) for case in CASES]
    BaselineStore(folder / "baselines", suite).write(then, [images(COUNT)])
    writer = RunWriter(folder / run, suite)
    writer.start(record(suite=suite, complete=False))
    writer.finish(record(**{"suite": suite, **more}), now, [images(COUNT)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bundle(run: str = "run", *options: str, output: str = "b.zip") -> int:
    return main(["bundle", run, "--suite", "s.toml", "--baselines", "baselines", "-o", output, *options])


@pytest.fixture
def told(capsys):
    """Runs a command: its exit status, and the lines it printed, on either stream."""

    def told(*arguments: object):
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    return told


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


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A bundle of a run that failed, read."""
    folder = tmp_path_factory.mktemp("sound")
    make(folder, WORSE)
    arguments = ["bundle", folder / "run", "--suite", folder / "s.toml", "--baselines", folder / "baselines"]
    assert main([str(one) for one in (*arguments, "-o", folder / "b.zip")]) == 0
    return read_bundle(folder / "b.zip")


def test_a_changed_byte_in_any_file_is_named(here, told, sound):
    data = packed(sound.manifest, sound.files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        places = [
            (one.filename, one.header_offset + 30 + len(one.filename), one.file_size) for one in archive.infolist()
        ]
    assert len(places) == len(sound.files) + 1
    for name, start, size in places:
        for place in (start, start + size // 2, start + size - 1):
            flipped = bytearray(data)
            flipped[place] ^= 1
            (here / "x.zip").write_bytes(flipped)
            status, lines = told("verify", "x.zip")
            assert (status, len(lines)) == (REFUSED, 1)
            assert name in lines[0]


def test_a_changed_byte_is_named_also_when_the_zip_file_is_made_anew(here, told, sound):
    for name, data in sound.files.items():
        changed = {**sound.files, name: bytes([data[0] ^ 1]) + data[1:]}
        (here / "x.zip").write_bytes(packed(sound.manifest, changed))
        status, lines = told("verify", "x.zip")
        assert (status, len(lines)) == (REFUSED, 1)
        assert lines[0] == f"refused: x.zip: changed: {name}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_damage_gets_past_unseen(sound, tmp_path, data):
    """Whatever bytes change, the bundle is refused in a line, or holds the very same files."""
    whole = bytearray(packed(sound.manifest, sound.files))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1) | st.integers(max(0, len(whole) - 1500), len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(whole)))
    (tmp_path / "x.zip").write_bytes(whole[:cut])
    with suppress(BundleRefused):  # which is one line by its nature
        assert read_bundle(tmp_path / "x.zip") == sound


def repacked(sound, **changes: object) -> bytes:
    """A bundle whose manifest was written anew by hand, for the files that it has."""
    files = {**sound.files, **changes.pop("files", {})}
    listed = {name: FileEntry.of(data) for name, data in sorted(files.items())}
    return packed(sound.manifest.model_copy(update={"files": listed, **changes}), files)


def edited(sound, name: str, **changes: object) -> dict[str, bytes]:
    return {name: json.dumps({**json.loads(sound.files[name]), **changes}).encode()}


def tamed(sound) -> dict[str, bytes]:
    """The run's measurements, replaced by those of the baselines."""
    return {f"run/s/{case}.json": sound.files[f"baselines/s/{case}.json"] for case in CASES}


def reported(sound, what: str, **changes: object) -> bytes:
    """A bundle with a forged report: other values in each entry of a list of it, or at its top."""
    data = json.loads(sound.files["report.json"])
    for one in data[what] if isinstance(data.get(what), list) else [data[what] if what else data]:
        one.update(changes)
    return repacked(sound, files={"report.json": json.dumps(data).encode()})


def row_twice(sound) -> bytes:
    rows = json.loads(sound.files["report.json"])["cases"]
    return reported(sound, "", cases=[{**rows[0], "word": "same", "failed": False}, *rows])


def other_version(sound) -> bytes:
    """The report as another version might have written it: in other words, and without what it did not know."""
    data = json.loads(sound.files["report.json"])
    data["provenance"]["plugin"] = "0.0.1"
    data["sentence"] = "It got worse."
    for case in data["cases"]:
        case["reason"] = "worse"
        del case["diagnosis"], case["gradients"]
    return json.dumps(data, separators=(",", ":")).encode()


#: What a report can say that its evidence does not, whatever case, status and counts it states.
FORGED = {
    "rate": (
        lambda s: reported(s, "cases", success_rate={"value": 0.01, "interval": [0.0, 0.02]}),
        "a/fgsm: success rate: it says ",
    ),
    "failed": (lambda s: reported(s, "cases", failed=False), "a/fgsm: failed: it says False"),
    "reason": (lambda s: reported(s, "cases", reason="all is well"), "a/pgd: reason: it says 'all is well'"),
    "metrics": (lambda s: reported(s, "cases", metrics=[]), "a/fgsm: metrics: it says []"),
    "diagnosis": (lambda s: reported(s, "cases", diagnosis=None), "a/fgsm: diagnosis: it says None"),
    "sentence": (lambda s: reported(s, "", sentence="Everything passed."), "its sentence is not that of its cases"),
    "weights": (lambda s: reported(s, "models", weights_digest="f" * 64), "a: weights digest: it says 'fff"),
    "accuracy": (
        lambda s: reported(s, "models", clean_accuracy={"value": 1.0, "interval": None}),
        "a: clean accuracy: it says",
    ),
    "parameters": (lambda s: reported(s, "attacks", parameters={"eps": 9.0}), "attacks: it says"),
    "rules": (lambda s: reported(s, "judging", alpha=1e-9), "judging: it says"),
    "candidate": (lambda s: reported(s, "", candidate="x=y"), "candidate: it says 'x=y'"),
    "device": (lambda s: reported(s, "provenance", devices=["another"]), "devices: it says ['another']"),
    "a row twice": (row_twice, "a/fgsm: it has 2 rows of it"),
    "a row of nothing": (
        lambda s: reported(
            s,
            "",
            cases=[
                *json.loads(s.files["report.json"])["cases"],
                {"case": "a/cw", "model": "a", "attack": "cw", "word": "same", "failed": False, "reason": "a/cw: same"},
            ],
        ),
        "a/cw: it has a row of it, and the evidence has none",
    ),
    "another version": (
        lambda s: repacked(s, files={"report.json": other_version(s).replace(b'"after":0.6', b'"after":0.1')}),
        "a/fgsm: metrics: it says",
    ),
}
LIES = {
    **FORGED,
    "unused": (
        lambda s: repacked(s, files={"baselines/s/b/pgd.json": b"x"}),
        "baselines/s/b/pgd.json: nothing of the suite needs it",
    ),
    "outcome": (
        lambda s: repacked(s, outcome="passed"),
        "the bundle states that the run passed, and by its evidence it failed",
    ),
    "status": (
        lambda s: repacked(s, cases={**s.manifest.cases, "a/pgd": "same"}),
        "a/pgd: the bundle states same, and by its evidence it is regressed",
    ),
    "a case less": (lambda s: repacked(s, cases={"a/pgd": "regressed"}), "a/fgsm: the bundle states nothing"),
    "versions": (lambda s: repacked(s, versions={}), "the versions that the bundle states"),
    "evidence": (
        lambda s: repacked(s, files=tamed(s)),
        "a/fgsm: the bundle states regressed, and by its evidence it is same",
    ),
    "report": (
        lambda s: repacked(s, files={"report.json": s.files["report.json"].replace(b'"regressed"', b'"same"')}),
        "report.json: a/fgsm: it says same, and by the evidence it is regressed",
    ),
    "counts": (
        lambda s: repacked(
            s, files={"report.json": s.files["report.json"].replace(b'"successes": 40', b'"successes": 10')}
        ),
        "report.json: a/fgsm: it says 10 of 60 attempts on 60 images were fooled, and the evidence 40 of 60",
    ),
    "passed": (
        lambda s: repacked(
            s, files={"report.json": s.files["report.json"].replace(b'"passed": false', b'"passed": true', 1)}
        ),
        "report.json: it says that the run passed",
    ),
    "suite": (lambda s: repacked(s, files={"s.toml": b"nonsense"}), "s.toml: "),
    "looser": (
        lambda s: repacked(s, files={"s.toml": f"[tolerances]\n{LOOSE}\n{SUITE}".encode()}),
        "a/fgsm: the bundle states regressed",
    ),
    "damaged": (lambda s: repacked(s, files={"run/s/a/pgd.json": b"{}"}), "run: "),
    "no run": (lambda s: repacked(s, files={"run/s/run.json": b"{}"}), "run: s/run.json"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_verdict_that_does_not_follow_is_told(here, told, sound, lie):
    make_lie, said = LIES[lie]
    (here / "x.zip").write_bytes(make_lie(sound))
    status, lines = told("verify", "x.zip")
    assert status == FOLLOWS_NOT
    assert any(line.startswith("does not follow: ") and said in line for line in lines), lines
    assert not any("the verdict follows" in line for line in lines)
    assert not any("/tmp" in line for line in lines)


def test_another_version_may_have_other_words_and_not_other_numbers(here, told, sound):
    (here / "x.zip").write_bytes(repacked(sound, files={"report.json": other_version(sound)}))
    status, lines = told("verify", "x.zip")
    assert status == FOLLOWS
    assert "note: report.json is of version 0.0.1: only its numbers are compared, and none of its words" in lines


def zipped(members: list[tuple[zipfile.ZipInfo, bytes]], kind: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for info, data in members:
            info.compress_type = kind
            archive.writestr(info, data)
        archive.comment = comment
    return out.getvalue()


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def with_member(sound, info: zipfile.ZipInfo, data: bytes = b"x", listed: bool = True) -> bytes:
    """The sound bundle and one more file, which its manifest lists or not."""
    files = {**sound.manifest.files, **({info.filename: FileEntry.of(data)} if listed else {})}
    manifest = sound.manifest.model_copy(update={"files": dict(sorted(files.items()))})
    own = {**sound.files, MANIFEST: manifest.to_json().encode()}
    members = [*((member(name), own[name]) for name in sorted(own)), (info, data)]
    return zipped(members, comment=f"{COMMENT}{manifest.digest}".encode())


def compressed(sound) -> bytes:
    own = {**sound.files, MANIFEST: sound.manifest.to_json().encode()}
    members = [(member(name), own[name]) for name in sorted(own)]
    return zipped(members, zipfile.ZIP_DEFLATED, f"{COMMENT}{sound.manifest.digest}".encode())


def other_comment(sound) -> bytes:
    """The manifest was edited in a way that no other check sees, and the digest of it was not."""
    manifest = sound.manifest.model_copy(update={"plugin": "9.9.9"})
    data = packed(manifest, sound.files)
    return data[:-64] + packed(sound.manifest, sound.files)[-64:]


def twice(sound) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return with_member(sound, member("s.toml"), sound.files["s.toml"])


ODD = {
    "bomb": (lambda s: zipped([(member(MANIFEST), b"0" * 10**7)], zipfile.ZIP_DEFLATED), "neither compressed"),
    "compressed": (compressed, "neither compressed"),
    "extra": (
        lambda s: with_member(s, member("run/s/more.json"), listed=False),
        "extra, not in the manifest: run/s/more.json",
    ),
    "listed, of no part": (lambda s: with_member(s, member("more.txt")), "extra, of no part of a bundle: more.txt"),
    "missing": (
        lambda s: packed(s.manifest, {k: v for k, v in s.files.items() if k != "run/s/a/pgd.json"}),
        "missing: run/s/a/pgd.json",
    ),
    "parent": (lambda s: with_member(s, member("../evil")), "'../evil': is no name of a file inside"),
    "inner parent": (lambda s: with_member(s, member("run/s/../../../evil")), "is no name of a file inside"),
    "absolute": (lambda s: with_member(s, member("/etc/evil")), "is no name of a file inside"),
    "drive": (lambda s: with_member(s, member("C:evil")), "is no name of a file inside"),
    "backslash": (lambda s: with_member(s, member("run\\..\\evil")), "is no name of a file inside"),
    "link": (
        lambda s: with_member(s, member("run/s/l", stat.S_IFLNK | 0o777), b"/etc/passwd"),
        "is a link or a folder",
    ),
    "folder": (lambda s: with_member(s, member("run/s/d/")), "is a link or a folder"),
    "twice": (twice, "two files of one name: s.toml"),
    "twice but for case": (lambda s: with_member(s, member("S.toml")), "two files of one name: S.toml, s.toml"),
    "a file and a folder": (
        lambda s: repacked(s, files={"run/s/run.json/x.json": b"x"}),
        "a file and a folder of one name: run/s/run.json",
    ),
    # which other systems write into one place with another file, cannot write, or write elsewhere
    "another form of Unicode": (lambda s: with_member(s, member("run/s/a/e\u0301.json")), "of no part of a bundle"),
    "a full stop": (lambda s: with_member(s, member("run/s/a/pgd.json.")), "of no part of a bundle"),
    "a device": (lambda s: with_member(s, member("run/s/CON")), "of no part of a bundle"),
    "a long name": (lambda s: with_member(s, member(f"run/s/a/{'b' * 300}.json")), "of no part of a bundle"),
    "deep": (lambda s: with_member(s, member(f"run/s/{'b/' * 3000}x.json")), "of no part of a bundle"),
    **{
        f"of the suite {suite!r}": (
            lambda s, suite=suite: packed(s.manifest.model_copy(update={"suite": suite, "files": {}}), {}),
            "missing: the file of the suite",
        )
        for suite in ("/etc/passwd", "../s", "\0", "", "x" * 5000)
    },
    "an edited manifest": (other_comment, "changed: manifest.json, or the digest of it"),
    "before": (lambda s: b"#!/bin/sh\n" + packed(s.manifest, s.files), "bytes that are of no file"),
    "behind": (lambda s: packed(s.manifest, s.files) + b"more", "of no file, behind"),
    "no manifest": (lambda s: zipped([(member("a"), b"x")]), "no bundle: it has no manifest.json"),
    "a manifest of something else": (lambda s: zipped([(member(MANIFEST), b"{}")]), "manifest.json: schema"),
    "empty": (lambda s: b"", "no sound zip file"),
    "text": (lambda s: b"hello\n" * 100, "no sound zip file"),
    "a run": (lambda s: zipped([(member("s/run.json"), b"{}")]), "no bundle"),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_bundle_or_has_more_in_it_is_refused_in_a_line(here, told, sound, odd):
    make_odd, said = ODD[odd]
    (here / "x.zip").write_bytes(make_odd(sound))
    status, lines = told("verify", "x.zip")
    assert (status, len(lines)) == (REFUSED, 1), lines
    assert lines[0].startswith("refused: x.zip: ")
    assert said in lines[0]
    assert sorted(path.name for path in here.iterdir()) == ["x.zip"]


def test_no_file_is_unpacked_by_a_name_of_its_own(sound):
    """What is checked of names is what makes it safe to write the files down."""
    assert all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in sound.files)


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

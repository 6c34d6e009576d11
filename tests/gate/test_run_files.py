"""Runs on disk: what was written is read, and whatever else lies there is refused in one line."""

import io
import json
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.run_files import RunWriter, Unjudgeable, read_run, why_no_run
from pytest_robustness.records.run_record import CaseRecord, RunRecord

from tests.gate.examples import images, measurement

names = st.sampled_from(["s/run.json", "s/a/fgsm.json", "run.json", "s", ""])
CASES = ("a/fgsm", "a/pgd")
RECORD = RunRecord(suite="s", complete=True, plugin="1", cases=dict.fromkeys(CASES, CaseRecord(status="measured")))
MEASURED = [measurement("!!!...-", case=case, unselected="+-") for case in CASES]
LISTS = [images(7), images(2, "unselected")]


def written(path: Path, record: RunRecord = RECORD) -> Path:
    writer = RunWriter(path, "s")
    writer.start(record.model_copy(update={"complete": False}))
    writer.finish(record, MEASURED, LISTS)
    return path


@pytest.mark.parametrize("name", ["run", "run.zip", "run.json"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    run = read_run(written(tmp_path / name), "s", [*CASES, "a/other"])
    assert run.record == RECORD
    assert list(run.measurements.values()) == MEASURED
    assert run.lists == LISTS
    assert not run.problems


def test_equal_runs_are_equal_files(tmp_path: Path) -> None:
    for suffix in ("zip", "json"):
        assert written(tmp_path / f"a.{suffix}").read_bytes() == written(tmp_path / f"b.{suffix}").read_bytes()


def test_the_record_is_the_last_member(tmp_path: Path) -> None:
    assert zipfile.ZipFile(written(tmp_path / "run.zip")).namelist()[-1] == "s/run.json"


def test_only_what_the_record_calls_measured_is_read(tmp_path: Path) -> None:
    record = RECORD.model_copy(update={"cases": {"a/fgsm": CaseRecord(status="error", problem="x")}})
    assert not read_run(written(tmp_path / "run", record), "s", CASES).measurements


def test_a_place_is_free_or_an_earlier_runs(tmp_path: Path) -> None:
    assert why_no_run(tmp_path / "none") is None
    assert why_no_run(tmp_path / "none.zip") is None
    assert why_no_run(written(tmp_path / "run")) is None
    assert why_no_run(written(tmp_path / "run.zip")) is None
    assert why_no_run(written(tmp_path / "run.json")) is None
    (tmp_path / "mine.json").write_text('{"schema": 1}')
    assert why_no_run(tmp_path / "mine.json") == "exists, and is no earlier run"
    (tmp_path / "run" / "notes.txt").write_text("mine")
    assert "notes.txt" in (why_no_run(tmp_path / "run") or "")
    (tmp_path / "folder.zip").mkdir()
    assert why_no_run(tmp_path / "folder.zip") is not None


def test_a_run_of_another_suite_stays(tmp_path: Path) -> None:
    path = written(tmp_path / "run")
    RunWriter(path, "t").start(RECORD.model_copy(update={"suite": "t"}))
    assert read_run(path, "s", CASES).measurements.keys() == set(CASES)


def test_a_link_out_of_the_folder_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "s").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RobustnessError, match="leads out of"):
        RunWriter(tmp_path / "run", "s").start(RECORD)
    assert not list((tmp_path / "elsewhere").iterdir())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_damage_to_a_zip_file_is_refused_or_read_as_it_was(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    sound = tmp_path / "run.zip"
    data = bytearray((sound if sound.exists() else written(sound)).read_bytes())
    for _ in range(random.randint(1, 4)):
        place = random.choice((random.randrange(len(data)), len(data) - 1 - random.randrange(min(600, len(data)))))
        data[place] = random.randrange(256)
    if random.random() < 0.2:
        del data[random.randrange(len(data)) :]
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    try:
        run = read_run(damaged, "s", CASES)
    except Unjudgeable:
        return
    assert run.measurements.keys() | run.problems.keys() == set(CASES)
    assert all(one in MEASURED for one in run.measurements.values())
    assert all(len(problem.splitlines()) == 1 for problem in run.problems.values())


@given(data=st.binary(max_size=200))
def test_any_bytes_for_a_record_are_refused(data: bytes) -> None:
    with pytest.raises(RobustnessError):
        RunRecord.from_json(data.decode(errors="replace"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_for_a_zip_file_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.zip").write_bytes(data)
    with pytest.raises(Unjudgeable):
        read_run(tmp_path / "run.zip", "s", CASES)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda of: st.lists(of) | st.dictionaries(names, of)
    )
)
def test_any_json_for_a_json_file_is_refused(tmp_path: Path, value: object) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "files": value}))
    with pytest.raises(Unjudgeable):
        read_run(tmp_path / "run.json", "s", CASES)


def test_a_json_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "run.json")
    monkeypatch.setattr("pytest_robustness.gate.run_containers.LARGEST_JSON", 100)
    with pytest.raises(Unjudgeable, match=r"run\.json: has more than 0 MB"):
        read_run(path, "s", CASES)
    monkeypatch.setattr("pytest_robustness.gate.run_files.LARGEST_JSON", 100)
    with pytest.raises(RobustnessError, match=r"run\.json: would have more than 0 MB: name a folder"):
        written(path)
    assert not path.exists()


def test_members_with_odd_names_are_nothing(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("/run.json", "../run.json", "s/../s/run.json", "s\\run.json"):
            archive.writestr(name, RECORD.to_json())
    (tmp_path / "run.zip").write_bytes(file.getvalue())
    with pytest.raises(Unjudgeable, match="no run of the suite s"):
        read_run(tmp_path / "run.zip", "s", CASES)

"""A baseline's file is the old one or the new one, whoever writes and whatever happens meanwhile."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.measurement import Measurement

from tests.gate.examples import measurement, refusal

CASE = "vgg11/pgd"
OLD, NEW = measurement("!!..", units=1.0), measurement("!!!.", units=2.0)


@pytest.fixture(params=["plain", "with spaces", "naïve-模型"], ids=["plain", "spaces", "unicode"])
def any_store(tmp_path: Path, request: pytest.FixtureRequest) -> BaselineStore:
    return BaselineStore(tmp_path / request.param / "baselines", "zoo")


@pytest.fixture
def store(tmp_path: Path) -> BaselineStore:
    return BaselineStore(tmp_path / "baselines", "zoo")


def everything(store: BaselineStore) -> set[str]:
    """All files and folders, the suite's own folder left out."""
    return {path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*")}


def test_what_is_written_is_read(any_store: BaselineStore) -> None:
    any_store.write([OLD])
    assert any_store.read(CASE) == OLD
    any_store.write([NEW, measurement(case="vgg11_bn/pgd")])
    assert any_store.read(CASE) == NEW
    assert any_store.read("vgg11_bn/pgd") == measurement(case="vgg11_bn/pgd")
    assert everything(any_store) == {"vgg11", "vgg11/pgd.json", "vgg11_bn", "vgg11_bn/pgd.json"}


def test_a_baseline_lies_where_the_design_says(store: BaselineStore, tmp_path: Path) -> None:
    store.write([OLD])
    path = tmp_path / "baselines" / "zoo" / "vgg11" / "pgd.json"
    assert store.path(CASE) == path
    assert path.read_bytes() == OLD.to_json().encode()


def test_a_case_without_a_file_has_no_baseline(store: BaselineStore) -> None:
    assert store.read(CASE) is None
    store.write([measurement(case="vgg11/fgsm")])
    assert store.read(CASE) is None


def test_files_are_for_everybody_to_read_whatever_the_umask(store: BaselineStore) -> None:
    before = os.umask(0o077)
    try:
        store.write([OLD])
    finally:
        os.umask(before)
    assert store.path(CASE).stat().st_mode & 0o777 == 0o644
    store.path(CASE).chmod(0o600)
    store.write([NEW])
    assert store.path(CASE).stat().st_mode & 0o777 == 0o644


def test_cases_are_the_files_and_nothing_else(store: BaselineStore) -> None:
    assert store.cases() == set()
    names = {"vgg11/pgd", "vgg11/pgd.v2", "a.b-c+d/x_1"}
    store.write(measurement(case=name) for name in names)
    (store.folder / "vgg11" / ".pgd.json.abc123.tmp").write_text("left by a power cut")
    (store.folder / "vgg11" / "README.md").touch()
    (store.folder / "loose.json").touch()
    (store.folder / "empty").mkdir()
    assert store.cases() == names


def test_another_suite_s_baselines_are_not_ours(store: BaselineStore) -> None:
    other = BaselineStore(store.folder.parent, "imagenet")
    other.write([OLD])
    assert store.cases() == set()
    assert store.read(CASE) is None
    store.remove([CASE])
    assert other.read(CASE) == OLD


def replaced(old: str, new: str) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "an edited aggregate": (replaced('"successes": 2', '"successes": 1'), "evidence and aggregates disagree"),
    "edited evidence": (replaced('"effort": [4', '"effort": [5'), "evidence and aggregates disagree"),
    "a newer schema": (replaced('"schema": 2', '"schema": 3'), "schema"),
    "another case": (replaced(CASE, "vgg11/fgsm"), "vgg11/fgsm"),
    "half a file": (lambda path: path.write_text(path.read_text()[:500]), "not JSON"),
    "an empty file": (lambda path: path.write_text(""), "it is empty"),
    "a merge conflict": (lambda path: path.write_text("<<<<<<< HEAD\n" + path.read_text()), "merge conflict"),
    "not UTF-8": (lambda path: path.write_bytes(b'{"schema": "\xff"}'), "cannot be read"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_baseline_costs_one_line_with_its_path(
    any_store: BaselineStore, damage: Callable[[Path], object], said: str
) -> None:
    any_store.write([OLD])
    damage(any_store.path(CASE))
    message = refusal(lambda: any_store.read(CASE))
    assert message.startswith(f"{any_store.path(CASE)}: ")
    assert said in message


@pytest.mark.parametrize("other", ["vgg11/fgsm", "vgg11_bn/pgd"])
def test_a_baseline_copied_to_another_case_is_refused(store: BaselineStore, other: str) -> None:
    store.write([OLD, measurement(case=other)])
    store.path(other).write_bytes(store.path(CASE).read_bytes())
    message = refusal(lambda: store.read(other))
    assert message.startswith(f"{store.path(other)}: ")
    assert CASE in message
    assert other in message


def test_a_checkout_with_windows_line_endings_is_read(store: BaselineStore) -> None:
    store.write([OLD])
    store.path(CASE).write_bytes(OLD.to_json().encode().replace(b"\n", b"\r\n"))
    assert store.read(CASE) == OLD


def test_it_holds_the_very_measurement_and_no_other(store: BaselineStore) -> None:
    assert not store.holds(OLD)
    store.write([OLD])
    assert store.holds(OLD)
    assert not store.holds(NEW)
    store.path(CASE).write_text("damaged")
    assert not store.holds(OLD)


ACTIONS: dict[str, Callable[[BaselineStore], object]] = {
    "read": lambda store: store.read(CASE),
    "write": lambda store: store.write([NEW]),
    "remove": lambda store: store.remove([CASE]),
}


@pytest.mark.parametrize("act", ACTIONS.values(), ids=ACTIONS)
def test_a_link_that_leads_out_is_not_followed(
    store: BaselineStore, tmp_path: Path, act: Callable[[BaselineStore], object]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pgd.json").write_text(OLD.to_json())
    store.folder.mkdir(parents=True)
    (store.folder / "vgg11").symlink_to(elsewhere)
    assert "leads out of" in refusal(lambda: act(store))
    assert (elsewhere / "pgd.json").read_text() == OLD.to_json()


# --- crashes -----------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing in the code expects it."""


STEPS = {
    "mkstemp": (tempfile, "mkstemp"),
    "open": (os, "fdopen"),
    "first fsync": (os, "fsync"),
    "chmod": (pathlib.Path, "chmod"),
    "replace": (pathlib.Path, "replace"),
}


@pytest.mark.parametrize(("owner", "name"), STEPS.values(), ids=STEPS)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    store: BaselineStore, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    store.write([OLD])
    called = []

    def cut(*args: object, **kwargs: object) -> None:
        called.append(args)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, cut)
        with pytest.raises(PowerCut):
            store.write([NEW])
    assert called, "the step is not part of writing any more: this test watches nothing"
    assert store.read(CASE) == OLD
    assert everything(store) == {"vgg11", "vgg11/pgd.json"}
    store.write([NEW])  # the lock was given back
    assert store.read(CASE) == NEW


def test_a_write_cut_off_in_its_middle_leaves_the_old_file(
    store: BaselineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([OLD])
    real = os.fdopen

    def fdopen(*args: object, **kwargs: object) -> object:
        file = real(*args, **kwargs)
        write = file.write

        class Half:
            """Of the text, then the disk is full."""

            def __enter__(self) -> "Half":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def __getattr__(self, name: str) -> object:
                return getattr(file, name)

            def write(self, text: str) -> None:
                write(text[: len(text) // 2])
                file.flush()
                raise PowerCut

        return Half()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", fdopen)
        with pytest.raises(PowerCut):
            store.write([NEW])
    assert store.read(CASE) == OLD
    assert everything(store) == {"vgg11", "vgg11/pgd.json"}


def test_a_failed_flush_of_the_folder_leaves_a_whole_file(
    store: BaselineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([OLD])
    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise PowerCut
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(PowerCut):
        store.write([NEW])
    assert store.read(CASE) == NEW
    assert everything(store) == {"vgg11", "vgg11/pgd.json"}


def test_the_text_reaches_the_disk_before_it_takes_the_old_file_s_place(
    store: BaselineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    fsync, replace = os.fsync, pathlib.Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append(("fsync", os.fstat(fd).st_size)), fsync(fd)))
    monkeypatch.setattr(pathlib.Path, "replace", lambda old, new: (order.append(("replace", new)), replace(old, new)))
    store.write([OLD])
    assert order[0] == ("fsync", len(OLD.to_json().encode()))
    assert order[1] == ("replace", store.path(CASE))


# --- several processes -------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.measurement import Measurement
root, text, first, last = sys.argv[1:]
one = Measurement.from_json(Path(text).read_text())
store = BaselineStore(Path(root), "zoo")
for number in range(int(first), int(last)):
    timing = one.timing.model_copy(update={"gradient_units": float(number)})
    store.write([one.model_copy(update={"timing": timing})])
"""


@pytest.fixture
def writer(store: BaselineStore, tmp_path: Path) -> Iterator[Callable[[int, int], subprocess.Popen[str]]]:
    """Starts a process that writes a range of numbers, one after the other, as a baseline's time."""
    text = tmp_path / "measurement.json"
    text.write_text(measurement("!." * 2000).to_json())
    started = []

    def start(first: int, last: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, store.folder.parent, text, str(first), str(last)]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def seen(store: BaselineStore) -> float | None:
    found: Measurement | None = store.read(CASE)
    return None if found is None else found.timing.gradient_units


def test_a_reader_sees_whole_files_while_four_processes_write(
    store: BaselineStore, writer: Callable[[int, int], subprocess.Popen[str]]
) -> None:
    processes = [writer(100 * i, 100 * i + 25) for i in range(4)]
    numbers, reads = set(), 0
    deadline = time.monotonic() + 60
    while any(process.poll() is None for process in processes):
        assert time.monotonic() < deadline
        numbers.add(seen(store))  # raises for anything but a whole file
        reads += 1
    for process in processes:
        assert process.wait() == 0, process.stderr.read() if process.stderr else ""
    assert seen(store) in {24.0, 124.0, 224.0, 324.0}
    assert numbers - {None} <= {float(100 * i + k) for i in range(4) for k in range(25)}
    assert len(numbers) > 3, f"only {len(numbers)} versions seen in {reads} reads: nothing was tested"
    assert everything(store) == {"vgg11", "vgg11/pgd.json"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_writer_leaves_a_whole_file_and_no_lock(
    store: BaselineStore, writer: Callable[[int, int], subprocess.Popen[str]]
) -> None:
    process = writer(0, 10**9)
    deadline = time.monotonic() + 60
    while (seen(store) or 0) < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (seen(store) or 0) >= 5
    assert store.cases() == {CASE}
    store.write([NEW])
    assert store.read(CASE) == NEW


def test_a_writer_that_waits_too_long_says_for_what(store: BaselineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_robustness.gate.store.PATIENCE", 0.1)
    with store._lock_file():
        message = refusal(lambda: BaselineStore(store.root, store.folder.name).write([OLD]))
    assert message.endswith("another run has held this lock for 0.1 s: wait for it, or end it")
    assert store.cases() == set()
    store.write([OLD])


# --- removing ----------------------------------------------------------------------------------------------------


def test_removing_a_model_s_last_baseline_removes_its_folder_and_no_other(store: BaselineStore) -> None:
    store.write(measurement(case=case) for case in ("vgg11/pgd", "vgg11/fgsm", "vgg11_bn/pgd"))
    (store.folder / "empty").mkdir()
    store.remove(["vgg11/pgd"])
    assert everything(store) == {"vgg11", "vgg11/fgsm.json", "vgg11_bn", "vgg11_bn/pgd.json", "empty"}
    store.remove(["vgg11/fgsm"])
    assert everything(store) == {"vgg11_bn", "vgg11_bn/pgd.json", "empty"}


def test_removing_keeps_a_folder_that_holds_something_else(store: BaselineStore) -> None:
    store.write([OLD])
    (store.folder / "vgg11" / "notes.txt").write_text("mine")
    store.remove([CASE])
    assert everything(store) == {"vgg11", "vgg11/notes.txt"}


def test_removing_what_is_not_there_is_no_error(store: BaselineStore) -> None:
    store.remove([CASE])
    store.write([OLD])
    store.remove(["vgg11/fgsm", "other/pgd"])
    assert store.cases() == {CASE}

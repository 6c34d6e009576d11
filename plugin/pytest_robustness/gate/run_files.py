"""The measurements of a run on disk, in the format of baselines, and ``run.json`` beside them.

They are files in a folder or in a zip file, or the entries of one JSON file.

``<run>/<suite>/<model>/<attack>.json`` and ``<run>/<suite>/images-<digest>.json`` are as ``store.py`` writes them.
``<run>/<suite>/run.json`` is a ``RunRecord``. It is written at the start as not complete, and as complete when
everything else is there. A zip or JSON file is deleted at the start and written whole. So a run that is killed is not
taken for one that ended.

A run may come from somebody else's machine. Its reader opens only files whose names it forms itself, from the suite
that it judges by. Nothing is unpacked, nothing behind a link out of the folder is read, and sizes are bounded.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole, written_whole
from pytest_robustness.gate import list_files
from pytest_robustness.gate.run_containers import (
    JSON,
    LARGEST_FILE,
    LARGEST_JSON,
    LARGEST_RUN,
    RECORD,
    SCHEMA,
    ZIP,
    Files,
    OnePart,
    Unjudgeable,
    opened,
)
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.run_record import RunRecord

__all__ = ["Run", "RunWriter", "Unjudgeable", "is_run", "read_run", "why_no_run", "why_part"]


def why_no_run(path: Path) -> str | None:
    """Return why a run must not be written to a place. Returns None when nothing is there, or only an earlier run."""
    if path.suffix in (ZIP, JSON):
        free = not path.exists() or (path.is_file() and is_run(path))
        return None if free else "exists, and is no earlier run"
    if not path.exists():
        return None
    if not path.is_dir():
        return "is a file: name a folder, or a .zip or .json file"
    strange = sorted(one.name for one in path.iterdir() if not _has_record(one))
    return f"is a folder with something else in it: {strange[0]}: name another, or an empty one" if strange else None


def is_run(path: Path) -> bool:
    """Return whether a path is a run. Of a part of a run it is not."""
    try:
        with opened(path) as files:
            return bool(files.suites())
    except RobustnessError:
        return False


def why_part(path: Path) -> str | None:
    """Return what to do with a file that is one part of a run. Returns None for any other."""
    try:
        with opened(path):
            return None
    except OnePart as error:
        return str(error)
    except RobustnessError:
        return None


def _has_record(folder: Path) -> bool:
    try:
        RunRecord.from_json((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RobustnessError):
        return False
    return True


class RunWriter:
    """Writes a run of one suite to a folder, or to a file that ends in ``.zip`` or ``.json``.

    Every method raises RobustnessError, naming the file, when something cannot be written.
    """

    def __init__(self, path: Path, suite: str) -> None:
        self.path, self.store = path, BaselineStore(path, suite)

    def start(self, record: RunRecord) -> None:
        """Remove an earlier run of the suite.

        In a folder, also write a record that says that the run is not complete.
        """
        try:
            if self.path.suffix in (ZIP, JSON):
                self.path.unlink(missing_ok=True)
                return
            self._write_record(record)
            stale, _ = self.store.others(())
            self.store.remove(stale)
        except OSError as error:
            raise self._unwritten(error) from None

    def finish(self, record: RunRecord, measurements: Iterable[Measurement], lists: Iterable[ImageList]) -> None:
        """Write the measurements, the lists of their images, and after them the record."""
        try:
            if self.path.suffix in (ZIP, JSON):
                write = self._write_zip if self.path.suffix == ZIP else self._write_json
                write(self._texts(record, measurements, lists))
                return
            self.store.write(measurements, lists)
            self._write_record(record)
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> RobustnessError:
        return RobustnessError(f"{error.filename or self.path}: cannot be written: {error.strerror}")

    def _write_record(self, record: RunRecord) -> None:
        file = self.store.folder / RECORD
        if not real(file).is_relative_to(real(self.path)):
            raise RobustnessError(f"{file}: leads out of {self.path}, to {real(file)}")
        write_whole(file, record.to_json())

    def _texts(
        self, record: RunRecord, measurements: Iterable[Measurement], lists: Iterable[ImageList]
    ) -> Iterator[tuple[str, str]]:
        """Yield the names and the texts of the run's files."""
        found = [(list_files.path_of(self.store.folder, one.digest), one.to_json()) for one in lists]
        found += [(self.store.path(one.case), one.to_json()) for one in measurements]
        found += [(self.store.folder / RECORD, record.to_json())]
        yield from ((path.relative_to(self.path).as_posix(), text) for path, text in found)

    def _write_json(self, texts: Iterable[tuple[str, str]]) -> None:
        """Write an object of all files, a line each. Equal runs are equal files."""
        lines = [f"{json.dumps(name)}: {json.dumps(json.loads(text))}" for name, text in texts]
        whole = f'{{"schema": {SCHEMA}, "files": {{\n' + ",\n".join(lines) + "\n}}\n"
        if len(whole) > LARGEST_JSON:
            what = f"would have more than {LARGEST_JSON >> 20} MB: name a folder, or a {ZIP} file"
            raise RobustnessError(f"{self.path}: {what}")
        write_whole(self.path, whole)

    def _write_zip(self, texts: Iterable[tuple[str, str]]) -> None:
        with written_whole(self.path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts:  # all have one date, so equal runs are equal files
                member = zipfile.ZipInfo(name)
                member.external_attr = 0o644 << 16
                archive.writestr(member, text, zipfile.ZIP_DEFLATED)


@dataclass
class Run:
    """Holds a run as it was found: its record, and those measurements and image lists that were asked for.

    ``problems`` say in one line, by case, why a measurement that the record promises cannot be used.
    """

    record: RunRecord
    measurements: Mapping[str, Measurement]
    lists: list[ImageList]
    problems: dict[str, str] = field(default_factory=dict)


def read_run(path: Path, suite: str, cases: Iterable[str]) -> Run:
    """Read what a run measured of some cases of a suite.

    Args:
        path: a folder, a zip file, or a JSON file.
        suite: the suite's name.
        cases: ids of the cases that are read. Nothing else of the run is read.

    Raises Unjudgeable, naming the file, when there is no record of such a run, or it is damaged. A damaged measurement
    raises nothing: it becomes a problem of its case.
    """
    with opened(path) as files:
        return _Reader(path, files, suite).run(cases)


class _Reader:
    def __init__(self, path: Path, files: Files, suite: str) -> None:
        self.path, self.files, self.suite = path, files, suite
        self.left = LARGEST_RUN

    def run(self, cases: Iterable[str]) -> Run:
        text = self._text(RECORD)
        if text is None:
            others = self.files.suites()
            found = f"it is of {', '.join(others)}" if others else "it has no record of any"
            raise Unjudgeable(f"{self.path}: no run of the suite {self.suite}: {found}")
        try:
            record = RunRecord.from_json(text)
        except RobustnessError as error:
            raise Unjudgeable(f"{self._named(RECORD)}: {error}") from None
        if record.suite != self.suite:
            raise Unjudgeable(f"{self._named(RECORD)}: suite: a run of {record.suite}, not of {self.suite}")
        run = Run(record, measurements := {}, [])
        for case in cases:
            if case in record.cases and record.cases[case].status == "measured":
                try:
                    measurements[case] = self._measurement(case)
                except RobustnessError as error:
                    run.problems[case] = str(error)
        run.lists += self._lists(measurements.values())
        return run

    def _measurement(self, case: str) -> Measurement:
        text = self._text(f"{case}.json")
        if text is None:
            raise Unjudgeable(f"{self._named(f'{case}.json')}: missing, although it was measured")
        try:
            measurement = Measurement.from_json(text)
        except RobustnessError as error:
            raise Unjudgeable(f"{self._named(f'{case}.json')}: {error}") from None
        if measurement.case != case:
            raise Unjudgeable(
                f"{self._named(f'{case}.json')}: case: a measurement of {measurement.case}, not of {case}"
            )
        return measurement

    def _lists(self, measurements: Iterable[Measurement]) -> Iterator[ImageList]:
        """Yield the lists that can be read. Others are left out: only a comparison tells whether a list is needed."""
        sets = (of for one in measurements for of in (one.images, one.unselected) if of is not None)
        for digest in dict.fromkeys(of.digest for of in sets):
            name = list_files.path_of(Path(), digest).name
            try:
                text = self._text(name) if list_files.NAME.fullmatch(name) else None
                listed = ImageList.from_json(text) if text is not None else None
            except RobustnessError:
                continue
            if listed is not None and listed.digest == digest:
                yield listed

    def _text(self, name: str) -> str | None:
        """Return the text of a file. Returns None when there is none.

        Raises Unjudgeable when the file is no text, or too large.
        """
        limit = min(LARGEST_FILE, self.left)
        data = self.files.read(f"{self.suite}/{name}", limit)
        if data is None:
            return None
        if len(data) > limit:
            raise Unjudgeable(f"{self._named(name)}: too large: more than {limit >> 20} MB")
        self.left -= len(data)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Unjudgeable(f"{self._named(name)}: not UTF-8: {error}") from None

    def _named(self, name: str) -> str:
        return f"{self.path}: {self.suite}/{name}"

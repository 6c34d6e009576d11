"""Baselines on disk: one file a case, written whole or not at all, and a list of images for each set they are of."""

from __future__ import annotations

import contextlib
import getpass
import os
import tempfile
from collections.abc import Container, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole
from pytest_robustness.gate import list_files
from pytest_robustness.mistaken import mistaken
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement

#: Seconds a writer waits for another.
PATIENCE = 300


class BaselineStore:
    """Reads and writes the baselines of one suite, at ``<root>/<suite>/<model>/<attack>.json``.

    The lists of their images lie beside them, at ``<root>/<suite>/images-<digest>.json``, once for each set.
    """

    def __init__(self, root: Path, suite: str) -> None:
        self.root, self.folder = root, root / suite

    def path(self, case: str) -> Path:
        return self.folder / f"{case}.json"

    def cases(self) -> set[str]:
        """Return all cases that have a file."""
        return {path.relative_to(self.folder).with_suffix("").as_posix() for path in self.folder.glob("*/*.json")}

    def others(self, cases: Container[str]) -> tuple[list[str], list[str]]:
        """Return the files of no case among ``cases``: left-over baselines, and what is no baseline of this suite.

        Somebody else's file may lie where a baseline could. Only a file that reads as the measurement of its place is
        ours.
        """
        left = sorted(case for case in self.cases() if case not in cases)
        ours = [case for case in left if self.is_ours(case)]
        return ours, [case for case in left if case not in ours]

    def is_ours(self, case: str) -> bool:
        """Return whether the file at a case's place is a baseline of it."""
        try:
            return self.read(case) is not None
        except RobustnessError:
            return False

    def read(self, case: str) -> Measurement | None:
        """Return a case's baseline, or None when it has none.

        Raises RobustnessError, naming the file, when the baseline is damaged, edited or another case's.
        """
        path = self.path(case)
        self._check_inside(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RobustnessError(f"{path}: cannot be read: {error}") from None
        try:
            measurement = Measurement.from_json(text)
        except RobustnessError as error:
            raise RobustnessError(f"{path}: {mistaken(path) or error}") from None
        if measurement.case != case:
            raise RobustnessError(f"{path}: case: this is the baseline of {measurement.case}, not of {case}")
        return measurement

    def holds(self, measurement: Measurement) -> bool:
        """Return whether this very measurement is the case's baseline."""
        try:
            return self.read(measurement.case) == measurement
        except RobustnessError:
            return False

    def image_list(self, digest: str) -> ImageList:
        """Return the list of the images that baselines of this digest are of.

        Raises RobustnessError, naming the file, when it is missing, damaged or another set's.
        """
        path = list_files.path_of(self.folder, digest)
        self._check_inside(path)
        return list_files.read(path, digest)

    def write(self, measurements: Iterable[Measurement], lists: Iterable[ImageList] = ()) -> None:
        """Store measurements and the lists of their images, each atomically. There is one writer at a time.

        Lists are written first, so that no baseline refers to one that is not there. Lists that no baseline refers to
        any more are removed at the end.

        Raises RobustnessError, naming the file, for the first file that cannot be written. The files before it are
        written.
        """
        with self._lock():
            for one in lists:
                digest = one.digest
                if not self._has_list(digest):
                    self._write(list_files.path_of(self.folder, digest), one.to_json())
            for measurement in measurements:
                self._write(self.path(measurement.case), measurement.to_json())
            self._remove_unused_lists()

    def _write(self, path: Path, text: str) -> None:
        self._check_inside(path)
        try:
            write_whole(path, text)
        except OSError as error:
            raise RobustnessError(f"{path}: cannot be written: {error.strerror}") from None

    def _has_list(self, digest: str) -> bool:
        try:
            self.image_list(digest)
        except RobustnessError:
            return False
        return True

    def _remove_unused_lists(self) -> None:
        """Delete lists of ours that no baseline refers to. Deletes none when a baseline cannot be read."""
        used = list_files.used(self.path(case) for case in self.cases())
        if used is None:
            return
        kept = {list_files.path_of(self.folder, digest) for digest in used}
        for path in list_files.ours(self.folder):
            if path not in kept:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def remove(self, cases: Iterable[str]) -> None:
        """Delete baselines, and folders that have nothing left.

        Raises RobustnessError, naming the file, for the first file that is no baseline or cannot be deleted.
        """
        with self._lock():
            for case in cases:
                path = self.path(case)
                self.read(case)
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise RobustnessError(f"{path}: cannot be deleted: {error.strerror}") from None
                with contextlib.suppress(OSError):  # not empty
                    path.parent.rmdir()
            self._remove_unused_lists()

    def move(self, folder: Path) -> None:
        """Move the folder of all baselines to a place that is free.

        Raises RobustnessError, naming the new folder, when it is there already or cannot be made.
        """
        self._check_inside(self.folder)
        with self._lock():
            if os.path.lexists(folder):
                raise RobustnessError(f"{folder}: is there already: delete it, if it is not to be kept")
            try:
                self.folder.rename(folder)
            except OSError as error:
                raise RobustnessError(f"{folder}: cannot be made: {error.strerror}") from None

    def _check_inside(self, path: Path) -> None:
        """Raise RobustnessError when a path leads out of the root.

        A link in a repository must not make us read, write or delete what lies elsewhere.
        """
        if not real(path).is_relative_to(real(self.root)):
            raise RobustnessError(f"{path}: leads out of {self.root}, to {real(path)}")

    def check_lock(self) -> None:
        """Raise RobustnessError when the lock of a later write could not be taken.

        This is called before anything is measured.
        """
        with self._lock():
            pass

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock, so that there is one writer at a time.

        Raises RobustnessError, naming the lock's file, when the lock cannot be taken.
        """
        lock = self._lock_file()
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            what = f"another run has held this lock for {PATIENCE} s: wait for it, or end it"
            raise RobustnessError(f"{lock.lock_file}: {what}") from None
        except (OSError, NotImplementedError) as error:
            problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
            what = "set TMPDIR to a folder of your own, on a disk of this machine"
            raise RobustnessError(f"{lock.lock_file}: cannot be locked: {problem}; {what}") from None
        try:
            yield
        finally:
            lock.release()

    def _lock_file(self) -> FileLock:
        """Return the lock. Its file is outside the tree, so that no file of ours needs to be ignored there."""
        digest = sha256(os.fsencode(real(self.folder))).hexdigest()[:16]
        user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
        return FileLock(Path(tempfile.gettempdir(), f"pytest-robustness-{user}-{digest}.lock"))

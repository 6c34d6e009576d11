"""Where the files of a run lie: in a folder, in a zip file, or together in a JSON file. Nothing is unpacked.

They may come from somebody else's machine, so nothing behind a link out of the folder is read, and sizes are bounded.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.records.base import versioned

RECORD = "run.json"
ZIP, JSON = ".zip", ".json"
#: Most bytes of one file of a run, and of all that is read of a run. The zoo's 42 cases are 2 MB.
LARGEST_FILE, LARGEST_RUN = 32 * 2**20, 2**30
#: Most bytes of a run that is one JSON file: it is parsed at once, in several times the memory.
LARGEST_JSON = 2**28
#: Compression methods that a zip file may use. Others may expand to any size before a byte of them is seen.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: The schema of a JSON file of runs: an object of files by name, each of which is JSON.
SCHEMA = 1


class Unjudgeable(RobustnessError):
    """Raised for a run from which nothing can be judged: it is missing, damaged, or of another suite."""


class OnePart(Unjudgeable):
    """Raised for one part of a run, which has to be merged with the others."""


class Files(Protocol):
    """Gives access to the files of a run by their names in it, with ``/`` between parts and no ``..``."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Return at most ``limit`` + 1 bytes of a file. Returns None when there is no such file.

        Raises Unjudgeable when the file cannot be read.
        """

    def suites(self) -> list[str]:
        """Return the suites that have a record."""


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str, limit: int) -> bytes | None:
        path = self.root / name
        if not real(path).is_relative_to(real(self.root)):
            raise Unjudgeable(f"{path}: leads out of {self.root}, to {real(path)}")
        try:
            if not path.is_file():
                return None
            with path.open("rb") as file:
                return file.read(limit + 1)
        except OSError as error:
            raise Unjudgeable(f"{path}: cannot be read: {error.strerror}") from None

    def suites(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.glob(f"*/{RECORD}"))


class Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.stat().st_size > LARGEST_RUN:
                raise Unjudgeable(f"{path}: has more than {LARGEST_RUN >> 20} MB")
            self.archive = zipfile.ZipFile(path)
        except OSError as error:
            raise Unjudgeable(f"{path}: cannot be read: {error.strerror}") from None
        except (zipfile.BadZipFile, struct.error, RuntimeError, ValueError) as error:
            raise Unjudgeable(f"{path}: not a zip file: {error}") from None
        names = [one.filename for one in self.archive.infolist()]
        if len(set(names)) < len(names):  # which of them is read would depend on the reader
            self.archive.close()
            raise Unjudgeable(f"{path}: has two files of one name")

    def __enter__(self) -> Zip:
        return self

    def __exit__(self, *exception: object) -> None:
        self.archive.close()

    def read(self, name: str, limit: int) -> bytes | None:
        try:
            member = self.archive.getinfo(name)
        except KeyError:
            return None
        if member.compress_type not in METHODS or member.flag_bits & 1:
            raise Unjudgeable(f"{self.path}: {name}: should be stored or deflated, and not encrypted")
        try:
            with self.archive.open(member) as file:
                return file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, EOFError, OSError) as error:
            raise Unjudgeable(f"{self.path}: {name}: cannot be read: {error}") from None

    def suites(self) -> list[str]:
        names = (PurePosixPath(name) for name in self.archive.namelist())
        return sorted(name.parts[0] for name in names if len(name.parts) == 2 and name.name == RECORD)


class Json:
    """Holds the files of runs that lie together in a JSON file, as ``files``, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.stat().st_size > LARGEST_JSON:
                raise Unjudgeable(f"{path}: has more than {LARGEST_JSON >> 20} MB")
            data = versioned(path.read_text(encoding="utf-8-sig"), "run", SCHEMA)
        except OSError as error:
            raise Unjudgeable(f"{path}: cannot be read: {error.strerror}") from None
        except (RobustnessError, UnicodeDecodeError) as error:
            raise Unjudgeable(f"{path}: {error}") from None
        if "plan_digest" in data:
            what = "one part of a run: put it together with the others by python -m pytest_robustness merge"
            raise OnePart(f"{path}: {what}")
        files = data.get("files")
        if not isinstance(files, dict):
            raise Unjudgeable(f"{path}: not a run: it has no files")
        self.files: dict[str, Any] = files

    def read(self, name: str, limit: int) -> bytes | None:
        if name not in self.files:
            return None
        return json.dumps(self.files[name]).encode()[: limit + 1]

    def suites(self) -> list[str]:
        names = (PurePosixPath(name) for name in self.files)
        return sorted(name.parts[0] for name in names if len(name.parts) == 2 and name.name == RECORD)


def opened(path: Path) -> AbstractContextManager[Files]:
    """Open a run for reading. Raises Unjudgeable, naming the file, when it is none."""
    if path.is_dir():
        return nullcontext(Folder(path))
    return nullcontext(Json(path)) if path.suffix == JSON else Zip(path)

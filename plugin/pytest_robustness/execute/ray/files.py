"""The files a case needs, on whatever machine it is measured: those that lie at the same path, else copies of them.

A file is itself by its content: what lies at its path on another machine is used when it has the same digest.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import is_file
from pytest_robustness.suite.load import ENVIRONMENT
from pytest_robustness.suite.suite import Case, Suite
from pytest_robustness.suite.tables import Table

#: The files of a case by their paths where it was sent from: each one's digest.
Digests = Mapping[str, str]


def digests_of(case: Case) -> dict[str, str]:
    """Return the digests of the files that a case names and that are here: images, lists, classes and weights."""
    related = [case.suite, *case.suite.relatives(case.model_name)]
    named = [case.suite.images, *(suite.models[case.model_name] for suite in related)]
    return {str(path): digest(path) for path in _paths(named) if is_file(path)}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, which is read only once as long as it does not change."""
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1024)
def _digest(path: Path, modified: int, size: int) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


class Copies:
    """Keeps copies of files on this machine, which all workers here share, each under its digest."""

    def __init__(self, folder: Path | None = None) -> None:
        own = f"pytest-robustness-{os.getuid() if hasattr(os, 'getuid') else 'files'}"
        self._folder = folder or Path(tempfile.gettempdir()) / own

    def lacking(self, digests: Digests) -> list[str]:
        """Return the files that are not on this machine, neither at their own path nor as a copy."""
        return [path for path, wanted in digests.items() if self.place(path, wanted) is None]

    def place(self, path: str, wanted: str) -> Path | None:
        """Return where a file with this digest lies on this machine. Returns None when it is nowhere."""
        places = (Path(path), self._copy(path, wanted))
        return next((place for place in places if is_file(place) and digest(place) == wanted), None)

    def store(self, path: str, wanted: str, data: bytes) -> None:
        """Keep a copy of a file, whole or not at all."""
        copy = self._copy(path, wanted)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=copy.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(temporary).replace(copy)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _copy(self, path: str, wanted: str) -> Path:
        return self._folder / wanted / Path(path).name


def localised(case: Case, digests: Digests, copies: Copies) -> Case:
    """Return the case with its files where they lie on this machine.

    A folder of photographs is too large to be sent. Raises RobustnessError, which says how to name another, when it is
    not here.
    """
    places = {path: copies.place(path, wanted) or Path(path) for path, wanted in digests.items()}
    moved = {path: place for path, place in places.items() if str(place) != path}
    suite = _with_folder(case.suite)
    if not moved:
        return Case(suite, case.model_name, case.attack_name)
    here: Suite = _moved(suite, moved)
    here._at_hand = _moved(suite._at_hand, moved)
    return Case(here, case.model_name, case.attack_name)


def _with_folder(suite: Suite) -> Suite:
    folder = suite.images.folder
    if folder is None or folder.is_dir():
        return suite
    own = os.environ.get(ENVIRONMENT)
    if own and Path(own).is_dir():
        return suite.with_folder(Path(own))
    advice = f"mount it there, or name the node's own folder in its variable {ENVIRONMENT}"
    raise RobustnessError(f"{suite.path}: images: the folder {folder} is not on the node {platform.node()}: {advice}")


def _paths(value: Any) -> Iterator[Path]:
    """Yield all paths in a suite's tables, and texts that are absolute paths: sources may be files."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, str) and Path(value).is_absolute():
        yield Path(value)
    elif isinstance(value, Table):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, Mapping):
        yield from _paths(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _paths(one)


def _moved(value: Any, places: Mapping[str, Path]) -> Any:
    """Return a suite's table, or part of one, with other paths in place of some."""
    if isinstance(value, Path):
        return places.get(str(value), value)
    if isinstance(value, str):
        return str(places[value]) if value in places else value
    if isinstance(value, Table):
        each = {name: getattr(value, name) for name in type(value).model_fields}
        return value.model_copy(update={name: _moved(one, places) for name, one in each.items()})
    if isinstance(value, dict):
        return {key: _moved(one, places) for key, one in value.items()}
    return type(value)(_moved(one, places) for one in value) if isinstance(value, list | tuple) else value

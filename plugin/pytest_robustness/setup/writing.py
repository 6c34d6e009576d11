"""The files that a setup writes: shown, written without overwriting anything, and what to do next."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from pytest_robustness.files import write_whole
from pytest_robustness.report.model_table import duration
from pytest_robustness.setup.ci import GITLAB, GITLAB_ROOT, workflow
from pytest_robustness.setup.estimate import sensitivity
from pytest_robustness.setup.insertion import Insertion, insertion
from pytest_robustness.setup.places import Places, free
from pytest_robustness.setup.preparation import Prepared
from pytest_robustness.setup.texts import filled, suite_text

#: Lines of a list of images that are shown.
SHOWN = 3


@dataclass(frozen=True)
class Writing:
    """Holds what is written: whole new files, and lines put into a file of pytest's settings."""

    places: Places
    files: dict[Path, str]
    insertions: list[Insertion]
    notes: list[str]

    @classmethod
    def of(cls, prepared: Prepared, places: Places, service: str) -> Writing:
        """Return what a setup writes; the suite comes last, as a setup without it is not complete."""
        files = dict(prepared.lists)
        if not places.has_test:
            files[places.test] = filled("test_robustness.py.txt", suite=places.suite.name)
        notes = []
        if service != "none":
            files |= workflow(service, prepared.wishes, places)
            root = places.repository.base / GITLAB_ROOT
            if service == "gitlab" and root not in files:
                notes.append(f"{GITLAB_ROOT} stays as it is: add to its include: - local: {GITLAB}")
        files[places.suite] = suite_text(prepared.wishes, places)
        return cls(places, files, list(_settings(prepared, places)), notes)

    def shown(self, *, whole: bool) -> Iterator[str]:
        """Yield a line for each file, and with ``whole`` also what is in it."""
        yield ""
        for path, text in self.files.items():
            yield f"write  {self._name(path)}"
            if whole:
                lines = text.splitlines()
                count = SHOWN if path.suffix == ".csv" else len(lines)
                yield from (f"    {line}".rstrip() for line in lines[:count])
                if len(lines) > count:
                    yield f"    ... and {len(lines) - count} more lines"
        for one in self.insertions:
            where = f"{self._name(one.path)}, [{one.table}]"
            yield f"insert {where}: {one.line}" if one.text is not None else self._by_hand(one)
        yield from self.notes

    def write(self) -> None:
        """Write everything; where that is interrupted or fails, remove the files and take the lines out again.

        Raises RobustnessError, before anything is written, when a file has appeared meanwhile.
        """
        for path in self.files:
            free(path, "it appeared while the model was looked at")
        with ExitStack() as undo:
            for one in self.insertions:
                if one.text is not None:
                    undo.callback(one.undoing())
                    one.write()
            for path, text in self.files.items():
                undo.callback(path.unlink, missing_ok=True)
                write_whole(path, text)
            undo.pop_all()

    def _name(self, path: Path) -> str:
        """Return a path as it is from where somebody stands, which may be below the root."""
        repository = self.places.repository
        return Path(os.path.relpath(repository.root), repository.shown(path)).as_posix()

    def _by_hand(self, one: Insertion) -> str:
        return f"PLEASE put into {self._name(one.path)}, [{one.table}]: {one.line}"


def report(prepared: Prepared) -> Iterator[str]:
    """Yield how long a run takes, and how small a change it catches."""
    yield f"time:   a run takes about {duration(prepared.trial.seconds)} on this machine"
    yield from sensitivity(prepared.suite, prepared.images)


def next_steps(prepared: Prepared, places: Places, writing: Writing) -> Iterator[str]:
    """Yield what is left to a person: record, commit, push."""
    repository = places.repository
    test = shlex.quote(repository.shown(places.test))
    own = [path for path in _own_files(prepared, places) if path.is_relative_to(repository.base)]
    added = [path for path in own if not repository.ignores(path)]
    paths = [*sorted({_top(path, places) for path in writing.files}), *(one.path for one in writing.insertions)]
    names = dict.fromkeys(repository.shown(path) for path in [*paths, repository.root / "baselines", *added])
    yield ""
    yield "Next:"
    if repository.root != Path.cwd():
        yield f"  cd {shlex.quote(os.path.relpath(repository.root))}"
    yield f"  pytest {test} --update-baselines    # records the model as it is"
    yield f"  git add {' '.join(map(shlex.quote, names))}"
    yield "  git commit -m 'A gate for robustness' && git push    # from now on, pytest is the gate"
    for path in _own_files(prepared, places):
        if path not in added:
            what = "is ignored by git" if path in own else "lies outside of the repository"
            yield f"{path.name} {what}: the workflow has to fetch it before pytest runs"


def _top(path: Path, places: Places) -> Path:
    """Return what is added to git for a file: the folder of the lists, else the file itself."""
    return places.lists if path.parent == places.lists else path


def _own_files(prepared: Prepared, places: Places) -> Iterator[Path]:
    """Yield the images and the weights that the suite names."""
    yield prepared.wishes.images
    model = prepared.suite.models[prepared.wishes.name]
    yield from (path for path in (model.weights, model.file, model.folder) if isinstance(path, Path))


def _settings(prepared: Prepared, places: Places) -> Iterator[Insertion]:
    """Yield the settings that pytest needs: the suite, if it is not found by its name, and where the model is."""
    repository = places.repository
    suite = None if places.is_found else insertion(repository, "robustness_suite", repository.shown(places.suite))
    if suite is not None:
        yield suite
    model = prepared.suite.models[prepared.wishes.name]
    if model.library or model.file:
        return
    module = model.source.partition(":")[0].partition(".")[0]
    folder = _only_here(module, places)
    if folder is not None and folder != places.test.parent:
        yield insertion(repository, "pythonpath", [Path(repository.shown(folder)).as_posix()], suite)


def _only_here(module: str, places: Places) -> Path | None:
    """Return the folder that has a module which pytest would not find. Returns None where pytest finds it itself."""
    folders = [Path.cwd(), *places.repository.sources]
    with _path_without(folders):
        if any(finder.find_spec(module, None) for finder in sys.meta_path if hasattr(finder, "find_spec")):
            return None
    return next((one for one in folders if PathFinder.find_spec(module, [str(one)])), folders[0])


@contextmanager
def _path_without(folders: Sequence[Path]) -> Iterator[None]:
    """Take folders out of the import path inside the block."""
    before = list(sys.path)
    sys.path[:] = [one for one in before if one and Path(one).absolute() not in folders]
    try:
        yield
    finally:
        sys.path[:] = before

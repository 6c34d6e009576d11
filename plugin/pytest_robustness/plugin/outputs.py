"""The outputs that a run is to write: pages, data, Markdown, pictures, and its measurements."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.plugin.options import SHARD, once
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.suites import Suites
from pytest_robustness.report.formats import Format, formats

if TYPE_CHECKING:
    from pytest_robustness.suite.suite import Suite

#: The one option whose output may be a folder.
RUN = "--robustness-run"
#: The option that names the file of a shard: its data are what it measured, not a report.
PART = "--robustness-json"
#: Stands in a path for the name of a suite, where a run has several.
SUITE = "{suite}"


@dataclass(frozen=True)
class OutputOptions:
    """Holds what is to be written, by option. Paths are absolute.

    ``galleries`` are patterns of cases, ``run`` is a folder or a .zip file for the measurements, ``part`` is the file
    of a shard.
    """

    files: dict[str, Path]
    galleries: tuple[str, ...]
    run: Path | None = None
    part: Path | None = None

    @classmethod
    def of(cls, config: pytest.Config) -> OutputOptions:
        given = {one.option: once(config, one.option) for one in formats()}
        folder, run = config.invocation_params.dir, config.getoption(RUN)
        files = {option: folder / file for option, file in given.items() if file is not None}
        part = _part_of(files) if config.getoption(SHARD) else None
        return cls(files, tuple(config.getoption("--robustness-gallery")), folder / run if run else None, part)

    def of_suite(self, settings: Settings) -> OutputOptions:
        """Return the outputs of one suite: ``{suite}`` in a path is its name, where there are several."""
        if not settings.prefix or settings.suite_path is None:
            return self
        name = settings.suite_path.stem
        files = {option: Path(str(path).replace(SUITE, name)) for option, path in self.files.items()}
        return replace(self, files=files, run=self.run and Path(str(self.run).replace(SUITE, name)))

    def check_distinct(self, suites: Suites) -> None:
        """Raise UsageError for an output that several suites would write to one file."""
        for option, path in self.everything.items():
            if len(suites.each) > 1 and SUITE not in str(path):
                example = path.with_name(f"{path.stem}-{SUITE}{path.suffix}").name
                raise pytest.UsageError(
                    f"{option}: {path.name}: has to have {SUITE} in it, for several suites: {example}"
                )

    def check_galleries(self, suites: Suites) -> None:
        """Raise UsageError for a gallery of no case."""
        cases = list(suites.cases())
        for pattern in self.galleries:
            if not any(fnmatchcase(case, pattern) for case in cases):
                where = " and ".join(str(settings.suite_path) for settings in suites)
                raise pytest.UsageError(f"--robustness-gallery: no case {pattern!r} in {where}, such as {cases[0]}")

    def wanted(self) -> list[tuple[Format, Path]]:
        """Return the formats that are to be written, each with its file."""
        return [(one, self.files[one.option]) for one in formats() if one.option in self.files]

    @property
    def shows_pictures(self) -> bool:
        """Whether a format is wanted that shows images."""
        return any(one.pictures for one, _ in self.wanted())

    def pictures_of(self, case: str, *, regressed: bool) -> bool:
        """Return whether a case's pictures are wanted."""
        if not self.shows_pictures:
            return False
        return regressed or any(fnmatchcase(case, pattern) for pattern in self.galleries)

    def check(self, settings: Settings) -> None:
        """Raise UsageError, before anything runs, for an output that could not be written at the end."""
        if self.everything and settings.suite_path is None:
            option = next(iter(self.everything))
            raise pytest.UsageError(f"{option}: no suite to report on: name one by --robustness-suite")
        if self.galleries and not self.shows_pictures:
            raise pytest.UsageError("--robustness-gallery: pictures need --robustness-report or --robustness-json")
        if len({real(path) for path in self.files.values()}) < len(self.files):
            raise pytest.UsageError(f"{' and '.join(self.files)}: give each its own file")
        if self.run is not None:
            self._check_run(self.run, settings)
        for option, path in self.everything.items():
            try:
                self._check_path(option, path)
            except OSError as error:  # a name that is too long, a link that leads to itself
                raise pytest.UsageError(f"{option}: {path}: {error.strerror}") from None
        for one, file in self.wanted():
            missing = next((module for module in one.needs if find_spec(module) is None), None)
            if missing is not None:
                raise pytest.UsageError(f"{file.name}: needs {missing}: pip install 'pytest-robustness[report]'")

    @staticmethod
    def _check_path(option: str, path: Path) -> None:
        """Raise UsageError where nothing could be written."""
        if not path.parent.is_dir():
            raise pytest.UsageError(f"{option}: no folder {path.parent}")
        if path.exists() and not path.is_file() and option != RUN:
            raise pytest.UsageError(f"{option}: {path} is no regular file")
        if not os.access(path.parent, os.W_OK):
            raise pytest.UsageError(f"{option}: folder {path.parent} is not writable")
        path.with_name(f".{path.name}.12345678.tmp").exists()  # which is written first; raises for a name too long

    @property
    def everything(self) -> dict[str, Path]:
        """Return all that is to be written, by option."""
        more = {RUN: self.run, PART: self.part}
        return {**self.files, **{option: path for option, path in more.items() if path is not None}}

    def _check_run(self, run: Path, settings: Settings) -> None:
        if settings.limit:
            raise pytest.UsageError(f"{RUN} and --robustness-limit: a trial is no measurement: give one of them")
        if settings.changed_only:
            raise pytest.UsageError(f"{RUN} and --robustness-changed: a run has every measurement: give one of them")
        for option, path in self.files.items():
            if real(path).is_relative_to(real(run)):
                raise pytest.UsageError(f"{option}: {path} lies in {run}, of {RUN}: give another place")

    def check_suite(self, settings: Settings) -> None:
        """Raise UsageError for an output in the place of something that a run reads.

        Raises RobustnessError for a suite that is not valid.
        """
        suite = settings.suite
        for option, path in self.everything.items():
            self._check_place(option, path, settings, suite)
        for one, path in self.wanted():
            if not one.may_replace(path):
                raise pytest.UsageError(
                    f"{one.option}: {path} is there already, and was not written by {one.option}: give another file"
                )
        if self.part is not None and not _is_replaceable_part(self.part):
            raise pytest.UsageError(f"{PART}: {self.part} is there already, and is no part of a run: give another file")
        if self.run is not None:
            from pytest_robustness.gate.run_files import why_no_run

            if why := why_no_run(self.run):
                raise pytest.UsageError(f"{RUN}: {self.run} {why}")

    @staticmethod
    def _check_place(option: str, path: Path, settings: Settings, suite: Suite) -> None:
        place = real(path)
        models = [path for model in suite.models.values() for path in (model.weights, model.file)]
        images = suite.images
        read = [suite.path, settings.inipath, suite.published, images.file, images.selected, images.unselected, *models]
        if any(isinstance(one, Path) and real(one) == place for one in read):
            raise pytest.UsageError(f"{option}: {path} is read by this run: give another file")
        for one in read if option == RUN else ():
            if isinstance(one, Path) and real(one).is_relative_to(place):
                raise pytest.UsageError(f"{option}: {path} holds {one}, which is read by this run: give another folder")
        folders = {
            "the baselines": settings.baselines,
            "the anchors": settings.anchors,
            "the images": images.folder,
            "the weights": suite.weights,
            **{f"the files of {name}": model.folder for name, model in suite.models.items()},
        }
        for what, folder in folders.items():
            if folder is not None and place.is_relative_to(real(folder)):
                raise pytest.UsageError(f"{option}: {path} lies among {what}, in {folder}: give another place")
            if option == RUN and folder is not None and real(folder).is_relative_to(place):
                raise pytest.UsageError(f"{option}: {path} holds {what}, {folder}: give another place")


def _part_of(files: dict[str, Path]) -> Path:
    """Take the file of a shard out of the outputs. Raise UsageError when it is not named, or when there are others."""
    part = files.pop(PART, None)
    if files:
        why = "a shard measures only: write what was merged by python -m pytest_robustness report"
        raise pytest.UsageError(f"{SHARD} and {next(iter(files))}: {why}")
    if part is None:
        raise pytest.UsageError(f"{SHARD}: name the file of what it measures, for the merge: {PART} part.json")
    return part


def _is_replaceable_part(path: Path) -> bool:
    """Return whether a path is free, or has an earlier part of a run."""
    try:
        from pytest_robustness.records.shard import Shard

        Shard.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (RobustnessError, UnicodeDecodeError):
        return False
    return True


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("robustness")
    try:
        known = formats()
    except RobustnessError as error:  # of another package's entry point
        raise pytest.UsageError(str(error)) from None
    for one in known:
        group.addoption(one.option, metavar=f"FILE{one.suffix}", action="append", help=one.help)
    group.addoption(
        RUN,
        metavar="DIR",
        help="write what this run measures, whole, to a folder or a .zip file, for python -m pytest_robustness judge",
    )
    group.addoption(
        "--robustness-gallery",
        metavar="CASE",
        action="append",
        default=[],
        help="have pictures of CASE in the report, beside those of regressed cases; a name or a pattern, repeatable",
    )

"""What a run is to leave behind: pages, data, Markdown and pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.plugin.settings import Settings

if TYPE_CHECKING:
    from pytest_robustness.suite.suite import Suite


@dataclass(frozen=True)
class OutputOptions:
    """What is to be written, by option; absolute paths. ``galleries`` are patterns of cases."""

    files: dict[str, Path]
    galleries: tuple[str, ...]

    @classmethod
    def of(cls, config: pytest.Config) -> OutputOptions:
        options = ("--robustness-report", "--robustness-json", "--robustness-markdown")
        given = {option: config.getoption(option) for option in options}
        folder = config.invocation_params.dir
        return cls(
            {option: folder / file for option, file in given.items() if file},
            tuple(config.getoption("--robustness-gallery")),
        )

    @property
    def page(self) -> Path | None:
        return self.files.get("--robustness-report")

    @property
    def json(self) -> Path | None:
        return self.files.get("--robustness-json")

    @property
    def markdown(self) -> Path | None:
        return self.files.get("--robustness-markdown")

    def pictures_of(self, case: str, *, regressed: bool) -> bool:
        """Whether a case's pictures are wanted."""
        if self.page is None and self.json is None:
            return False
        return regressed or any(fnmatchcase(case, pattern) for pattern in self.galleries)

    def check(self, settings: Settings) -> None:
        """Raises UsageError, before anything runs, for what could not be written at the end."""
        if self.files and settings.suite_path is None:
            raise pytest.UsageError(f"{next(iter(self.files))}: no suite to report on: name one by --robustness-suite")
        if self.galleries and self.page is None and self.json is None:
            raise pytest.UsageError("--robustness-gallery: pictures need --robustness-report or --robustness-json")
        if len(set(self.files.values())) < len(self.files):
            raise pytest.UsageError(f"{' and '.join(self.files)}: give each its own file")
        for option, path in self.files.items():
            if not path.parent.is_dir():
                raise pytest.UsageError(f"{option}: no folder {path.parent}")
            if path.exists() and not path.is_file():
                raise pytest.UsageError(f"{option}: {path} is no regular file")
            if not os.access(path.parent, os.W_OK):
                raise pytest.UsageError(f"{option}: folder {path.parent} is not writable")
        needed = {"jinja2": self.page, "PIL": self.page or self.json}
        for module, file in needed.items():
            if file is not None and find_spec(module) is None:
                raise pytest.UsageError(f"{file.name}: needs {module}: pip install 'pytest-robustness[report]'")

    def check_cases(self, suite: Suite) -> None:
        """Raises UsageError for a gallery of a case that the suite does not have."""
        cases = [case.id for case in suite.cases()]
        for pattern in self.galleries:
            if not any(fnmatchcase(case, pattern) for case in cases):
                raise pytest.UsageError(
                    f"--robustness-gallery: no case {pattern!r} in {suite.path}, such as {cases[0]}"
                )


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("robustness")
    group.addoption("--robustness-report", metavar="FILE.html", help="write what this run found as a page")
    group.addoption("--robustness-json", metavar="FILE.json", help="write it as data, which can be rendered later")
    group.addoption(
        "--robustness-markdown", metavar="FILE.md", help="write the verdict as a comment for a pull request"
    )
    group.addoption(
        "--robustness-gallery",
        metavar="CASE",
        action="append",
        default=[],
        help="have pictures of CASE in the report, beside those of regressed cases; a name or a pattern, repeatable",
    )

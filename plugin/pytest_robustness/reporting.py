"""What a run leaves behind for its readers: a page, data, Markdown, and pictures of what the attacks did."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.settings import Settings

if TYPE_CHECKING:
    from pytest_robustness.controller import Controller
    from pytest_robustness.report.build import Run
    from pytest_robustness.report.data import Report
    from pytest_robustness.suite import Suite

#: Where GitHub Actions wants the summary of a step.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
#: Exit codes of runs that did not judge anything.
STILLBORN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR)


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


@dataclass(frozen=True)
class Wanted:
    """What is to be written, by option; absolute paths. ``galleries`` are patterns of cases."""

    files: dict[str, Path]
    galleries: tuple[str, ...]

    @classmethod
    def of(cls, config: pytest.Config) -> Wanted:
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


class Reporter:
    """On the controller, after it has judged."""

    def __init__(self, config: pytest.Config, wanted: Wanted, gathered: Controller) -> None:
        self.config = config
        self.wanted = wanted
        self.gathered = gathered

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        settings = self.gathered.settings
        if settings.suite_path is None or self.config.option.collectonly or exitstatus in STILLBORN:
            return
        anything = bool(self.gathered.results or self.gathered.troubles)
        summary = os.environ.get(STEP_SUMMARY) if anything else None
        if not self.wanted.files and not summary:
            return
        report = self._report(
            complete=not (session.shouldstop or session.shouldfail or exitstatus == pytest.ExitCode.INTERRUPTED)
        )
        try:
            self._write(report)
            if summary:
                self._append(Path(summary), report)
        except OSError as error:
            self.gathered.failures.append(f"{error.filename}: cannot be written: {error.strerror}")
            if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _report(self, *, complete: bool) -> Report:
        from pytest_robustness.report.build import build

        return build(self._run(complete=complete))

    def _run(self, *, complete: bool) -> Run:
        from pytest_robustness.controller import commit_of
        from pytest_robustness.report.build import Run

        gathered, settings = self.gathered, self.gathered.settings
        said = gathered.summary()
        results = gathered.results
        pictures = [result.gallery for result in results.values() if result.gallery]
        order = {case.id: position for position, case in enumerate(settings.suite.cases())}
        return Run(
            suite=settings.suite,
            title=settings.title,
            recording=settings.recording,
            candidate=settings.candidate,
            command=shlex.join(["pytest", *map(str, self.config.invocation_params.args)]),
            rerun=self._rerun(),
            commit=commit_of(self.config.rootpath),
            measurements={case: result.measurement for case, result in results.items()},
            verdicts={case: result.verdict for case, result in results.items()},
            troubles=gathered.troubles,
            problems=gathered.problems,
            tests=gathered.tests,
            pooled=gathered.pooled,
            galleries=sorted(pictures, key=lambda gallery: order[gallery.case]),
            failures=said.failures,
            notes=said.notes,
            complete=complete,
        )

    def _rerun(self) -> str:
        """What measures every case, typed where this run was started."""
        settings = self.gathered.settings
        modules = dict.fromkeys(test.partition("::")[0] for test in self.gathered.tests.values())
        paths = [Path(os.path.relpath(settings.rootdir / module, settings.invocation)).as_posix() for module in modules]
        words = ["pytest", *(paths or self.config.option.file_or_dir)]
        if settings.chosen:
            words += ["--robustness-suite", settings.chosen]
        if settings.candidate:
            words += ["--candidate", settings.candidate]
        return shlex.join(words)

    def _write(self, report: Report) -> None:
        from pytest_robustness.gate.store import write_whole

        def texts() -> Iterable[tuple[Path, str]]:
            if self.wanted.json:
                yield self.wanted.json, report.to_json()
            if self.wanted.markdown:
                from pytest_robustness.report.markdown import markdown

                yield self.wanted.markdown, markdown(report)
            if self.wanted.page:
                from pytest_robustness.report.page import render

                yield self.wanted.page, render(report)

        for path, text in texts():
            write_whole(path, text)
            folder = self.gathered.settings.invocation
            self.gathered.notes.append(f"written: {path.relative_to(folder) if path.is_relative_to(folder) else path}")

    @staticmethod
    def _append(path: Path, report: Report) -> None:
        from pytest_robustness.report.markdown import markdown

        with path.open("a", encoding="utf-8") as file:
            file.write(markdown(report))

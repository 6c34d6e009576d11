"""Writes what a run has for its readers: a page, data, Markdown, and pictures of what the attacks did."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.errors import RobustnessError, encodable
from pytest_robustness.files import write_whole
from pytest_robustness.plugin.git import commit_of
from pytest_robustness.plugin.outputs import OutputOptions

if TYPE_CHECKING:
    from pytest_robustness.plugin.controller import Controller
    from pytest_robustness.report.build import Run
    from pytest_robustness.report.data import Report

#: Where GitHub Actions wants the summary of a step.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
#: Exit codes of runs that did not judge anything.
NOTHING_JUDGED = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR)


class Reporter:
    """Writes the outputs, on the controller or in a single process, after it has judged."""

    def __init__(self, config: pytest.Config, outputs: OutputOptions, gathered: Controller) -> None:
        self.config = config
        self.outputs = outputs
        self.gathered = gathered

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.config.option.collectonly or exitstatus in NOTHING_JUDGED:
            return
        anything = bool(self.gathered.results or self.gathered.troubles)
        summary = os.environ.get(STEP_SUMMARY) if anything else None
        hook = self.config.hook.pytest_robustness_report
        if not self.outputs.files and not summary and not hook.get_hookimpls():
            return
        report = self._report(
            complete=not (session.shouldstop or session.shouldfail or exitstatus == pytest.ExitCode.INTERRUPTED)
        )
        hook(report=report)
        try:
            self._write(report)
            if summary:
                self._append(Path(summary), report)
        except (OSError, RobustnessError) as error:
            self.gathered.failures.append(self._problem(error))
            if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _problem(self, error: OSError | RobustnessError) -> str:
        if isinstance(error, RobustnessError):  # of another package's format
            return str(error)
        named = error.filename or ", ".join(map(str, self.outputs.files)) or STEP_SUMMARY
        return f"{named}: cannot be written: {error.strerror}"

    def _report(self, *, complete: bool) -> Report:
        from pytest_robustness.report.build import build

        return build(self._run(complete=complete))

    def _run(self, *, complete: bool) -> Run:
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
            command=encodable(shlex.join(["pytest", *map(str, self.config.invocation_params.args)])),
            rerun=encodable(self._rerun()),
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
            pairs=gathered.pairs,
            lists=gathered.lists,
            diagnoses=gathered.diagnoses,
        )

    def _rerun(self) -> str:
        """Return the command that measures every case again when typed where this run was started."""
        settings = self.gathered.settings
        modules = dict.fromkeys(test.partition("::")[0] for test in self.gathered.tests.values())
        paths = [Path(os.path.relpath(settings.rootdir / module, settings.invocation)).as_posix() for module in modules]
        words = ["pytest", *(paths or self.config.option.file_or_dir)]
        words += settings.suite_words
        if settings.candidate:
            words += ["--candidate", settings.candidate]
        return shlex.join(words)

    def _write(self, report: Report) -> None:
        for one, path in self.outputs.wanted():
            write_whole(path, one.render(report))
            folder = self.gathered.settings.invocation
            self.gathered.notes.append(f"written: {path.relative_to(folder) if path.is_relative_to(folder) else path}")

    @staticmethod
    def _append(path: Path, report: Report) -> None:
        from pytest_robustness.report.markdown import markdown

        with path.open("a", encoding="utf-8") as file:
            file.write(markdown(report))

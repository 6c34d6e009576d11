"""Writes all that a run measured, for --robustness-run, so that somebody else can judge it."""

from __future__ import annotations

from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.pairing import digests
from pytest_robustness.gate.run_files import RunWriter
from pytest_robustness.plugin.controller import Controller
from pytest_robustness.plugin.git import commit_of
from pytest_robustness.plugin.recorder import NEVER_CHECKED
from pytest_robustness.records.run_record import CaseRecord, CaseStatus, RunRecord, one_line

#: Exit statuses of sessions that ended in order, whatever they found.
IN_ORDER = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class RunOutput:
    """Writes the run's files, on the controller or in a single process.

    An earlier run's record is removed before anything is measured.
    """

    def __init__(self, config: pytest.Config, path: Path, gathered: Controller) -> None:
        self.config, self.path, self.gathered = config, path, gathered

    @property
    def _writer(self) -> RunWriter:
        return RunWriter(self.path, self.gathered.settings.suite.name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Start the run's record, after everything that may refuse to run."""
        if self.config.option.collectonly:
            return
        try:
            self._writer.start(self._record(complete=False))
        except RobustnessError as error:
            raise pytest.UsageError(f"--robustness-run: {error}") from None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None]:
        """Write the measurements after all other plugins have written theirs, and before the terminal's summary."""
        yield
        if self.config.option.collectonly or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        ended = exitstatus in IN_ORDER and not (session.shouldstop or session.shouldfail)
        measurements = self.gathered.measurements
        known = self.gathered.image_lists
        lists = [known[digest] for digest in sorted(digests(measurements.values()) & known.keys())]
        try:
            self._writer.finish(self._record(complete=ended), measurements.values(), lists)
        except RobustnessError as error:
            self.gathered.failures.append(str(error))
            if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return
        folder = self.gathered.settings.invocation
        shown = self.path.relative_to(folder) if self.path.is_relative_to(folder) else self.path
        what = f"{len(measurements)} measurements" if ended else f"{len(measurements)} measurements, not complete"
        self.gathered.notes.append(f"written: {shown}: {what}")

    def _record(self, *, complete: bool) -> RunRecord:
        gathered = self.gathered
        cases = dict.fromkeys([*gathered.selected, *gathered.results, *gathered.troubles])
        return RunRecord(
            suite=gathered.settings.suite.name,
            complete=complete,
            plugin=version("pytest-robustness"),
            torch=sorted({one.provenance.torch for one in gathered.measurements.values()}),
            candidate=gathered.settings.candidate,
            commit=commit_of(self.config.rootpath),
            cases={case: case_record(gathered, case, measured=case in gathered.results) for case in cases},
        )


def case_record(gathered: Controller, case: str, *, measured: bool) -> CaseRecord:
    """Return what became of a case, ``measured`` or not, by what the controller gathered."""
    trouble, problem = gathered.troubles.get(case), gathered.problems.get(case)
    if trouble is None and measured:
        return CaseRecord(status="measured")
    if trouble is None:
        return CaseRecord(status="not checked" if case in gathered.tests else "not run")
    known: dict[str, CaseStatus] = {status: status for status in get_args(CaseStatus)}
    unchecked = problem is not None and problem.endswith(NEVER_CHECKED)
    return CaseRecord(
        status="not checked" if unchecked else known.get(str(trouble), "error"),
        problem=one_line(problem) if problem else None,
    )

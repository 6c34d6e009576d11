"""Gathers what the tests found, adds what needs several cases, and is the only writer of baselines."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from pytest_robustness.collection import case_named
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.update import Update, due, line
from pytest_robustness.recorder import CASE_ATTRIBUTE, RESULT_ATTRIBUTE, Result
from pytest_robustness.report.table import LEGEND, Row, table
from pytest_robustness.settings import Settings


class Controller:
    """On the controller, or in a single process. What it adds can only fail a run, never pass it."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.results: dict[str, Result] = {}
        self.troubles: dict[str, str] = {}
        self.failures: list[str] = []
        self.notes: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        crashed = report.when not in ("setup", "call", "teardown")  # xdist's report of a dead worker
        case = self._crashed_case(report.nodeid) if crashed else report.__dict__.pop(CASE_ATTRIBUTE, None)
        if case is None:
            return
        text = report.__dict__.pop(RESULT_ATTRIBUTE, None)
        if text is not None:
            self.results[case] = Result.model_validate_json(text)
        elif report.failed:
            self.troubles[case] = "crashed" if crashed else "error"
        elif report.skipped:
            self.troubles.setdefault(case, "skipped")

    def _crashed_case(self, nodeid: str) -> str | None:
        """A dead worker says no more than the test's id."""
        return case_named(nodeid, self._cases) if self.settings.suite_path is not None else None

    @property
    def _cases(self) -> list[str]:
        return [case.id for case in self.settings.suite.cases()]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.settings.suite_path is None or self.config.option.collectonly:
            return
        recording = self.settings.recording
        if (self.results or self.troubles) and recording != "none":
            self._record()
        if (self.results or self.troubles or self.settings.prune) and exitstatus != pytest.ExitCode.USAGE_ERROR:
            self._check_obsolete()
        if self.failures and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if recording == "missing" and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._all_recorded():
            self.notes.append("every case has a baseline")
            session.exitstatus = pytest.ExitCode.OK

    def _record(self) -> None:
        store = self.settings.store
        sound = [result for case, result in self.results.items() if case not in self.troubles]
        updates = [Update(one.measurement, store.read(one.measurement.case), one.verdict) for one in sound]
        written = sorted(due(updates), key=lambda update: update.now.case)
        commit = _commit(self.config.rootpath)
        try:
            store.write(
                update.now.model_copy(
                    update={"provenance": update.now.provenance.model_copy(update={"commit": commit})}
                )
                for update in written
            )
        except RobustnessError as error:
            self.failures.append(str(error))
            return
        self.notes += [line(update) for update in written]
        unchanged = len(updates) - len(written)
        self.notes.append(f"baselines in {self._shown(store.folder)}: {len(written)} written, {unchanged} unchanged")
        if self.troubles:
            kept = ", ".join(f"{case} ({trouble})" for case, trouble in self.troubles.items())
            self.notes.append(f"not recorded: {kept}")

    def _check_obsolete(self) -> None:
        store, cases = self.settings.store, self._cases
        obsolete = sorted(store.cases() - set(cases))
        if not obsolete:
            return
        named = ", ".join(obsolete)
        if self.settings.prune:
            store.remove(obsolete)
            self.notes.append(f"pruned baselines of cases that are not in the suite: {named}")
        elif set(cases) == {*self.results, *self.troubles}:
            text = f"baselines of cases that are not in the suite: {named}; --prune-baselines deletes them"
            (self.failures if self.settings.recording == "none" else self.notes).append(text)

    def _all_recorded(self) -> bool:
        return all(self.settings.store.path(case).exists() for case in self._cases)

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """After all others, and also when one of them fails."""
        try:
            return (yield)
        finally:
            self._write(terminalreporter)

    def _write(self, terminalreporter: pytest.TerminalReporter) -> None:
        rows = self._rows()
        if not rows and not self.notes and not self.failures:
            return
        terminalreporter.section(f"robustness: {self.settings.suite.name}")
        for index, (text, failed) in enumerate(table(rows) if rows else []):
            terminalreporter.write_line(text, bold=index == 0, red=failed)
        if self.results:
            terminalreporter.write_line(LEGEND)
        for text in self.notes + self._not_judged():
            terminalreporter.write_line(text)
        for text in self.failures:
            terminalreporter.write_line(f"FAILED: {text}", red=True)

    def _rows(self) -> list[Row]:
        judged = self.settings.recording == "none"
        rows = []
        for case in self._cases if self.results or self.troubles else ():
            trouble, result = self.troubles.get(case), self.results.get(case)
            if trouble is not None:
                rows.append(Row(case, trouble, failed=trouble != "skipped"))
            elif result is not None:
                failed = judged and not result.verdict.passed
                rows.append(Row(case, result.verdict.word, failed, result.measurement, result.verdict))
        return rows

    def _not_judged(self) -> list[str]:
        reasons: dict[str, list[str]] = {}
        for case, result in self.results.items():
            for metric in result.verdict.metrics:
                if metric.outcome == "not judged":
                    reasons.setdefault(metric.metric, []).append(f"{case}: {metric.text.partition(': ')[2]}")
        return [
            f"{metric} not judged in {len(cases)} of {len(self.results)} cases, so of {cases[0]}"
            for metric, cases in reasons.items()
        ]

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self.config.rootpath) if path.is_relative_to(self.config.rootpath) else path)


def _commit(folder: Path) -> str | None:
    """The commit checked out, if any."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None

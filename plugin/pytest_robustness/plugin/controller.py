"""Gathers what the tests of a suite found, and adds what needs several cases."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence

import pytest

from pytest_robustness.gate import obsolete, variants
from pytest_robustness.gate.diagnosis import diagnose
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.gate.record import BaselineWriter
from pytest_robustness.gate.run_verdict import judge_pairs, pairs_of
from pytest_robustness.plugin import session_failures
from pytest_robustness.plugin.collection import case_named, case_of
from pytest_robustness.plugin.git import commit_of
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.suites import SUITES
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import MetricVerdict, Status
from pytest_robustness.report import model_table, terminal


class Controller:
    """Gathers a suite's results, on the controller or in a single process.

    What it adds can only fail a run, never pass it.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.results: dict[str, Result] = {}
        self.image_lists: dict[str, ImageList] = {}  # by digest, whatever happened to the case that brought it
        self.troubles: dict[str, Status] = {}
        self.problems: dict[str, str] = {}  # the messages of failed cases without a result
        self.tests: dict[str, str] = {}
        self.pooled: dict[str, MetricVerdict] = {}
        self.pairs: dict[str, Pair] = {}
        self.diagnoses: list[Diagnosis] = []
        self.failures: list[str] = []
        self.notes: list[str] = []
        self.selected: dict[str, None] = {}  # in the order they were collected
        self.whole = False  # whether the run passed, and so left nothing out

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._select(case_of(item) for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        labels = {self.settings.label(case) for case in self._cases}
        self._select(case_named(nodeid, labels) for nodeid in ids)

    def _select(self, labels: Iterable[str | None]) -> None:
        own = (label and self.settings.own(label) for label in labels)
        self.selected |= dict.fromkeys(case for case in own if case)

    def take(self, case: str, report: pytest.TestReport, text: str | None, *, crashed: bool) -> None:
        """Keep what the test of a case reports: its result, as JSON, or its trouble."""
        self.tests[case] = report.nodeid
        if text is not None:
            self._take(case, text, report)
        elif report.failed:
            self.troubles[case] = Status.CRASHED if crashed else Status.ERROR
            self.problems[case] = said(report)
        elif report.skipped:
            self.troubles.setdefault(case, Status.SKIPPED)

    def _take(self, case: str, text: str, report: pytest.TestReport) -> None:
        """Take what a case's test found."""
        result = self.results[case] = Result.model_validate_json(text)
        self.config.hook.pytest_robustness_verdict(case=self.settings.label(case), verdict=result.verdict)
        if not result.verdict.passed and (report.passed or report.skipped) and self.settings.recording == "none":
            what = f"{case}: {result.verdict.status}, and its test ended as {report.outcome}"
            self.failures.append(f"{what}: it must not catch what check() raises, nor expect it")
        self.image_lists |= {one.digest: one for one in result.image_lists}

    @property
    def _cases(self) -> list[str]:
        return [case.id for case in self.settings.suite.cases()]

    @property
    def _regular_cases(self) -> set[str]:
        """Return the cases of a full run."""
        return _regular(self.settings)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.whole = exitstatus == pytest.ExitCode.OK
        if self.config.option.collectonly or self.settings.limit:
            return
        recording = self.settings.recording
        if (self.results or self.troubles) and recording != "none":
            self._writer.record(
                self.results,
                self.troubles,
                self.image_lists,
                commit=commit_of(self.config.rootpath),
                accept_removed_images=self.settings.accept_removed_images,
                accept_suspicious=self.settings.accept_suspicious,
            )
        elif self.results:
            self._judge_together()
            self._check_anchor()
        judged = self.results or self.troubles or self.settings.prune
        if judged and self.settings.candidate is None and exitstatus != pytest.ExitCode.USAGE_ERROR:
            self._check_obsolete()
        if self.failures:
            session_failures.report(self.config, self.failures, alone=exitstatus == pytest.ExitCode.OK)
            if exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if recording == "missing" and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._all_recorded():
            self.notes.append("every case has a baseline")
            session.exitstatus = pytest.ExitCode.OK

    def _check_obsolete(self) -> None:
        store, suite = self.settings.store, self.settings.suite
        gone, strange = store.others(set(self._cases))
        whole = self._regular_cases <= {*self.results, *self.troubles}
        if strange and (whole or self.settings.prune):
            self.notes.append(obsolete.strange_files(strange, self._writer.shown_folder))
        measured = [one.measurement for one in self.results.values() if one.verdict.status == Status.NO_BASELINE]
        self.notes += obsolete.of_no_suite(suite, store, self.config.rootpath, measured)
        if not gone:
            return
        if self.settings.prune:
            self._writer.prune(gone)
        elif whole:
            text = obsolete.of_no_case(gone, suite, store, measured)
            (self.failures if self.settings.recording == "none" else self.notes).append(text)

    @property
    def measurements(self) -> dict[str, Measurement]:
        """Return the measurements of the cases that ended in order, by case."""
        return {case: one.measurement for case, one in self.results.items() if case not in self.troubles}

    @property
    def lists(self) -> Lists:
        """Return where the lists of the images of the run and of its baselines come from."""
        return Lists(self.image_lists.values(), self.settings.store.image_list)

    @property
    def _writer(self) -> BaselineWriter:
        return BaselineWriter(
            self.settings.store, self.settings.suite.path, self.config.rootpath, self.notes, self.failures
        )

    def _check_anchor(self) -> None:
        anchor = self.settings.anchor
        if anchor is None:
            return
        removed = max((one.verdict.images.removed for one in self.results.values()), default=0)
        anchor.check(
            self.measurements,
            self.image_lists.values(),
            self.failures,
            self.notes,
            removed=removed,
            candidate=self.settings.candidate is not None,
        )

    def _all_recorded(self) -> bool:
        """Return whether every case of every suite has a baseline."""
        suites = self.config.stash[SUITES]
        return all(settings.store.path(case).exists() for settings in suites for case in _regular(settings))

    def _judge_together(self) -> None:
        """Judge what only several cases can tell. It may fail the run, and never makes a failed run pass."""
        settings, lists = self.settings, self.lists
        self.pairs = pairs_of(self.measurements, settings.store.read, lists)
        together = judge_pairs(settings.suite, self.pairs, lists, accept_removed_images=settings.accept_removed_images)
        verdicts = {case: self.results[case].verdict for case in self.pairs}
        self.diagnoses = diagnose(settings.suite, self.pairs, verdicts, together.verdicts, lists)
        self.pooled = together.verdicts
        self.failures += [*together.failures, *together.gaps]
        self.notes += together.notes

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Write the summary after all other plugins have, and also when one of them fails."""
        try:
            return (yield)
        finally:
            self.summary().write(terminalreporter)

    def summary(self) -> terminal.Summary:
        if not (self.results or self.troubles):
            return terminal.Summary(self.settings.title, [], [], [*self.notes, *self._not_run()], self.failures)
        sound = {case: result for case, result in self.results.items() if case not in self.troubles}
        if self.settings.limit:
            return terminal.of_trial(self.settings.title, sound, self.troubles)
        measurements = self.measurements
        contrasts = variants.contrasts(self.settings.suite, measurements)
        notes = [
            *self.notes,
            *self._not_run(),
            *terminal.notes(self.settings.suite, sound, self.results, candidate=self.settings.candidate is not None),
        ]
        rows = terminal.rows(self._cases, self.results, self.troubles, judged=self.settings.recording == "none")
        extra_tables = model_table.extra_tables(self.settings.suite, measurements)
        return terminal.Summary(
            self.settings.title, rows, list(contrasts), notes, self.failures, extra_tables, self.diagnoses
        )

    def _not_run(self) -> list[str]:
        """Return a note on the cases that an interrupted run, or one that stopped early, did not run."""
        if self.whole or self.config.option.collectonly:
            return []
        left = [case for case in self.selected if case not in self.results and case not in self.troubles]
        return [f"not run: {len(left)} of {len(self.selected)} cases: {', '.join(left)}"] if left else []


def _regular(settings: Settings) -> set[str]:
    return {case.id for case in settings.suite.cases() if not case.attack.on_request}


def said(report: pytest.TestReport) -> str:
    """Return a failure's message without its traceback."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longreprtext)
    # leave out pytest.fail's own name, and the line on the worker that xdist puts before the message
    return re.sub(r"^(\[gw\d+\] .*\n|Failed: )", "", text)

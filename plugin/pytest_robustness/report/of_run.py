"""The report on a stored run: what the run would have reported, had it been judged where it was measured."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from pytest_robustness.gate import obsolete
from pytest_robustness.gate.anchor import Anchor
from pytest_robustness.gate.diagnosis import diagnose
from pytest_robustness.gate.judged_run import JudgedRun
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_files import Run as StoredRun
from pytest_robustness.gate.run_verdict import judge_pairs, pairs_of
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.gate.stored_run import JudgedCases, judge_cases
from pytest_robustness.records.verdict import Status
from pytest_robustness.report import terminal
from pytest_robustness.report.build import Run, build
from pytest_robustness.report.data import Report
from pytest_robustness.suite.suite import Suite

NOT_KNOWN = "not known: made from the files of --robustness-run"


def report_of_run(
    suite: Suite,
    measured: StoredRun,
    store: BaselineStore,
    *,
    command: str,
    accept_removed_images: bool = False,
    anchor: Anchor | None = None,
    created: str | None = None,
) -> Report:
    """Return the report on a stored run, judged by a suite and its baselines.

    There are no pictures in it: they are made where a case is measured and judged at once.

    Args:
        suite: the suite, with the candidate in its place when the run has one.
        measured: the run, with the measurements of all cases of the suite that it has.
        store: the suite's baselines.
        command: what was typed.
        accept_removed_images: whether images of the baselines may be missing. The others are judged.
        anchor: a release that it is also judged by.
        created: when it was made; None for now.
    """
    record, cases = measured.record, [case.id for case in suite.cases()]
    judged = judge_cases(suite, measured, set(cases), store, accept_removed_images=accept_removed_images, anchor=anchor)
    lists = Lists(measured.lists, store.image_list)
    pairs = pairs_of(measured.measurements, store.read, lists)
    together = judge_pairs(suite, pairs, lists, accept_removed_images=accept_removed_images)
    verdicts = {case: one.verdict for case, one in judged.results.items()}
    tests = {case: one.test for case, one in record.cases.items() if one.test is not None}
    rerun = shlex.join(["pytest", *dict.fromkeys(test.partition("::")[0] for test in tests.values())])
    failures, notes = [*together.failures, *together.gaps], list(together.notes)
    if anchor is not None:
        removed = max((one.verdict.images.removed for one in judged.results.values()), default=0)
        candidate = record.candidate is not None
        anchor.check(measured.measurements, measured.lists, failures, notes, removed=removed, candidate=candidate)
    if record.candidate is None:
        _check_obsolete(suite, judged, store, failures, notes)
    notes += terminal.notes(suite, judged.results, judged.results, candidate=record.candidate is not None)
    notes += _unpictured(judged, tests)
    return build(
        Run(
            suite=suite,
            title=suite.name + (f", candidate {record.candidate}" if record.candidate else ""),
            recording="none",
            candidate=record.candidate,
            command=command,
            rerun=rerun,
            commit=record.commit,
            measurements={case: one.measurement for case, one in judged.results.items()},
            verdicts=verdicts,
            troubles=judged.troubles,
            problems=judged.problems,
            tests=tests,
            pooled=together.verdicts,
            failures=failures,
            notes=notes,
            complete=record.complete,
            pairs=pairs,
            lists=lists,
            diagnoses=diagnose(suite, pairs, verdicts, together.verdicts, lists),
            created=created,
        )
    )


def _check_obsolete(
    suite: Suite, judged: JudgedCases, store: BaselineStore, failures: list[str], notes: list[str]
) -> None:
    """Say what a whole run says of baselines that are of no case."""
    regular = {case.id for case in suite.cases() if not case.attack.on_request}
    if not regular <= {*judged.results, *judged.troubles}:
        return
    gone, strange = store.others({case.id for case in suite.cases()})
    if strange:
        notes.append(obsolete.strange_files(strange, Path(store.folder)))
    unknown = [one.measurement for one in judged.results.values() if one.verdict.status == Status.NO_BASELINE]
    notes += obsolete.of_no_suite(suite, store, Path.cwd(), unknown)
    if gone:
        failures.append(obsolete.of_no_case(gone, suite, store, unknown))


def _unpictured(judged: JudgedCases, tests: Mapping[str, str]) -> list[str]:
    """Return a note on regressed cases, which have pictures where they are judged at once."""
    regressed = [case for case, one in judged.results.items() if one.verdict.status == Status.REGRESSED]
    if not regressed:
        return []
    named = shlex.join(["pytest", tests.get(regressed[0], regressed[0]), "--robustness-report", "FILE.html"])
    return [f"no pictures of regressed cases: they are made where a case is judged at once, by {named}"]


def undated_report(judged: JudgedRun, store: BaselineStore, *, accept_removed_images: bool) -> Report:
    """Return the report of a judged run that follows from the evidence alone: without a date and this machine's Python.

    Equal evidence makes equal reports. Arguments are as ``report_of_run`` takes them.
    """
    report = report_of_run(
        judged.suite,
        judged.measured,
        store,
        command=NOT_KNOWN,
        accept_removed_images=accept_removed_images,
        created="",
    )
    source = report.provenance.model_copy(update={"python": NOT_KNOWN, "plugin": judged.measured.record.plugin})
    return report.model_copy(update={"provenance": source})

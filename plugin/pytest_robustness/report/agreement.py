"""Whether a report says what the evidence says."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_robustness.gate.judged_run import JudgedRun
from pytest_robustness.records.verdict import Status
from pytest_robustness.report.data import Case, Report

#: Statuses that a run gives, and what the same evidence is called when it is judged later.
ALSO = {str(Status.UNCHANGED): str(Status.SAME)}


def disagreements(report: Report, judged: JudgedRun) -> Iterator[str]:
    """Yield in a line what a report and the judged evidence do not agree about.

    Compared are the suite's name, each measured case's status and its numbers of images, attempts and successes.
    """
    if report.suite != judged.suite.name:
        yield f"it is of the suite {report.suite}, and the evidence of {judged.suite.name}"
        return
    stated = {case.case: case for case in report.cases if case.measured}
    for case, measurement in judged.measured.measurements.items():
        counts, verdict = measurement.aggregates, judged.verdict.verdicts.get(case)
        if verdict is None:  # measured on request, and without a baseline
            continue
        mine = stated.get(case)
        if mine is None:
            yield f"{case}: it has no values of it, and the evidence has"
        elif ALSO.get(mine.word, mine.word) != str(verdict.status):
            yield f"{case}: it says {mine.word}, and by the evidence it is {verdict.status}"
        elif _counts(mine) != (counts.images, counts.attempts, counts.successes):
            told = f"{counts.successes} of {counts.attempts} attempts on {counts.images} images"
            yield f"{case}: it says {_told(mine)} were fooled, and the evidence {told}"
    for case in stated.keys() - judged.measured.measurements.keys():
        yield f"{case}: it has values of it, and the evidence has none"
    if report.passed and judged.outcome == "failed":
        yield "it says that the run passed, and by the evidence it failed"


def _counts(case: Case) -> tuple[int, int, int]:
    return case.images, case.attempts, case.successes


def _told(case: Case) -> str:
    return f"{case.successes} of {case.attempts} attempts on {case.images} images"

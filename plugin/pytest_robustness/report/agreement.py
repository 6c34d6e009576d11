"""Whether a report says what the evidence says."""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from pytest_robustness.gate.judged_run import JudgedRun
from pytest_robustness.records.verdict import Status
from pytest_robustness.report.data import Case, Report
from pytest_robustness.report.sentence import sentence

#: Statuses that a run gives, and what the same evidence is called when it is judged later.
ALSO = {str(Status.UNCHANGED): str(Status.SAME)}
#: What a report has of a run, a model and a case that follows from the evidence. The rest is of where it was taken.
OF_RUN = {"candidate", "attacks", "pooled", "contrasts", "judging"}
OF_PROVENANCE = {"torch", "attacks", "devices", "commit"}
NOT_OF_MODEL, NOT_OF_CASE = {"source", "groups"}, {"case", "test", "word", "extra"}
#: What an unchanged case has no part of: it was judged by itself.
BESIDE_BASELINE = {"reason", "metrics", "slices", "baseline_curve", "log_ratios", "doubts"}
#: Keys of sentences, which another version may word otherwise.
PROSE = {"reason", "text", "doubts", "changes", "diagnosis"}
#: How far floating-point numbers of two machines may differ.
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def disagreements(report: Report, judged: JudgedRun, made: Report) -> Iterator[str]:
    """Yield in a line what a report and the judged evidence do not agree about.

    Compared is all that follows from the evidence. What does not: title, command, dates, pictures, notes, published
    values, and failures that only the run itself could see. A report that says it is of another version may have other
    words, and values that were not yet known; see ``same_version``.

    Args:
        report: what is stated.
        judged: the evidence, with its verdict.
        made: the report that was made of it now.
    """
    if report.suite != judged.suite.name:
        yield f"it is of the suite {report.suite}, and the evidence of {judged.suite.name}"
        return
    found = [*_of_cases(report, judged, made), *_of_run(report, made)]
    yield from found
    if report.passed and not made.passed:
        yield "it says that the run passed, and by the evidence it did not"
    if report.passed and (report.failures or any(case.failed for case in report.cases)):
        yield "it says that the run passed, and lists what failed"
    if not found and same_version(report) and report.sentence != _sentence(report):
        yield f"its sentence is not that of its cases, which is: {_sentence(report)}"


def _of_run(report: Report, made: Report) -> Iterator[str]:
    same = same_version(report)
    fields = OF_RUN | (set() if report.candidate else {"expected", "families"})
    pairs = [("", report.model_dump(include=fields, exclude_unset=not same), made.model_dump(include=fields))]
    sources = [one.provenance.model_dump(include=OF_PROVENANCE, exclude_none=True) for one in (report, made)]
    pairs.append(("", sources[0], sources[1]))
    models = {model.name: model.model_dump(exclude=NOT_OF_MODEL) for model in made.models}
    pairs += [
        (f"{one.name}: ", one.model_dump(exclude=NOT_OF_MODEL, exclude_unset=not same), models[one.name])
        for one in report.models
        if one.name in models
    ]
    for what, stated, found in pairs:
        for told in _differences(stated, found, prose=same):
            yield f"{what}{told}"


def same_version(report: Report) -> bool:
    """Return whether a report says that this version wrote it. Then its words are compared as well as its numbers."""
    return report.provenance.plugin == version("pytest-robustness")


def _sentence(report: Report) -> str:
    return sentence(report.title, report.cases, report.failures, recording=report.recording, complete=report.complete)


def _of_cases(report: Report, judged: JudgedRun, made: Report) -> Iterator[str]:
    counts = Counter(case.case for case in report.cases)
    yield from (f"{case}: it has {count} rows of it" for case, count in counts.items() if count > 1)
    rows, found = {case.case: case for case in report.cases}, {case.case: case for case in made.cases}
    measured = judged.measured.measurements
    for case in measured:
        if case in judged.verdict.verdicts:  # else measured on request, and without a baseline
            mine = rows.get(case)
            if mine is None or not mine.measured:
                yield f"{case}: it has no values of it, and the evidence has"
            elif told := _of_case(mine, found[case], prose=same_version(report)):
                yield f"{case}: {told}"
    for case, row in rows.items():
        if row.measured and case not in measured:
            yield f"{case}: it has values of it, and the evidence has none"
        elif case not in found and not row.measured:
            yield f"{case}: it has a row of it, and the evidence has none"
        elif case in found and not row.measured and not found[case].measured and row.word != found[case].word:
            yield f"{case}: it says {row.word}, and by the evidence it is {found[case].word}"


def _of_case(stated: Case, found: Case, *, prose: bool) -> str | None:
    """Return the first thing that a row says otherwise than the evidence."""
    if ALSO.get(stated.word, stated.word) != ALSO.get(found.word, found.word):
        return f"it says {stated.word}, and by the evidence it is {found.word}"
    if _counts(stated) != _counts(found):
        return f"it says {_told(stated)} were fooled, and the evidence {_told(found)}"
    left_out = NOT_OF_CASE | (BESIDE_BASELINE if stated.word in ALSO else set())
    mine, other = stated.model_dump(exclude=left_out, exclude_unset=not prose), found.model_dump(exclude=left_out)
    return next(_differences(mine, other, prose=prose), None)


def _counts(case: Case) -> tuple[int, int, int]:
    return case.images, case.attempts, case.successes


def _told(case: Case) -> str:
    return f"{case.successes} of {case.attempts} attempts on {case.images} images"


def _differences(stated: Mapping[str, Any], found: Mapping[str, Any], *, prose: bool) -> Iterator[str]:
    """Yield each key of what is stated whose value is not the one found, with both."""
    for key in stated:
        if key in found and (prose or key not in PROSE) and not _alike(stated[key], found[key], prose=prose):
            shown = reprlib.repr(stated[key]), reprlib.repr(found[key])
            yield f"{key.replace('_', ' ')}: it says {shown[0]}, and by the evidence it is {shown[1]}"


def _alike(stated: Any, found: Any, *, prose: bool) -> bool:
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        whole = not prose or stated.keys() == found.keys()
        return whole and next(_differences(stated, found, prose=prose), None) is None
    if isinstance(stated, list | tuple) and isinstance(found, list | tuple):
        return len(stated) == len(found) and all(
            _alike(one, other, prose=prose) for one, other in zip(stated, found, strict=True)
        )
    if isinstance(stated, float) and isinstance(found, float):
        return math.isclose(stated, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(stated == found)

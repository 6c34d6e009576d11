"""The summary that a run writes to the terminal at its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Protocol

from pytest_robustness.gate.variants import Contrast
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import MetricVerdict, Status
from pytest_robustness.report.diagnosis import short
from pytest_robustness.report.model_table import trial_table
from pytest_robustness.report.table import LEGEND, Row, table, variants_table
from pytest_robustness.report.text import printable
from pytest_robustness.suite.suite import Suite

#: Columns of a line of prose.
WIDTH = 120


class Terminal(Protocol):
    """Describes what a summary is written to: the part of pytest's terminal reporter that it needs."""

    def section(self, title: str) -> None: ...

    def write_line(self, line: str, **markup: bool) -> None: ...


@dataclass(frozen=True)
class Summary:
    """Holds all that is written, in this order."""

    title: str
    rows: Sequence[Row]
    contrasts: Sequence[Contrast]
    notes: Sequence[str]
    failures: Sequence[str]
    extra_tables: Sequence[Sequence[str]] = ()  # further tables, each with its header first
    diagnoses: Sequence[Diagnosis] = ()

    def write(self, terminal: Terminal) -> None:
        if not (self.rows or self.notes or self.failures or self.extra_tables):
            return
        terminal.section(f"robustness: {printable(self.title)}")
        for index, (text, failed) in enumerate(table(self.rows) if self.rows else []):
            terminal.write_line(text, bold=index == 0, red=failed)
        if any(row.measurement for row in self.rows):
            terminal.write_line(LEGEND)
        if self.contrasts:
            terminal.write_line("")
            for index, text in enumerate(variants_table(self.contrasts)):
                terminal.write_line(text, bold=index == 0)
            terminal.write_line(
                "update against base in this run, on the same images; p: two-sided; nothing is judged by it"
            )
        for paragraph in self.extra_tables:
            terminal.write_line("")
            for index, text in enumerate(paragraph):
                terminal.write_line(text, bold=index == 0)
        for text in self.notes:
            terminal.write_line(printable(text))
        for text in short(self.diagnoses):
            for line in wrap(f"diagnosis: {printable(text)}", WIDTH, subsequent_indent="  "):
                terminal.write_line(line)
        for text in self.failures:
            terminal.write_line(f"FAILED: {printable(text)}", red=True)


def of_trial(title: str, results: Mapping[str, Result], troubles: Mapping[str, str]) -> Summary:
    """Return the summary of a trial, which has durations instead of verdicts."""
    trials = {case: (one.measurement, one.estimate) for case, one in results.items() if one.estimate is not None}
    extra_tables = (
        [[*trial_table(trials), "wall seconds of one worker; memory: the most a case needed"]] if trials else []
    )
    notes = ["nothing was judged or recorded", *hints(results)]
    return Summary(title, [], [], notes, [f"{case}: {trouble}" for case, trouble in troubles.items()], extra_tables)


def rows(
    cases: Iterable[str], results: Mapping[str, Result], troubles: Mapping[str, str], *, judged: bool
) -> list[Row]:
    """Return a row for each case that was run."""
    found = []
    for case in cases:
        trouble, result = troubles.get(case), results.get(case)
        if trouble is not None:
            found.append(Row(case, trouble, failed=trouble != Status.SKIPPED))
        elif result is not None:
            failed = judged and not result.verdict.passed
            found.append(Row(case, result.verdict.status, failed, result.measurement, result.verdict))
    return found


def notes(
    suite: Suite, sound: Mapping[str, Result], results: Mapping[str, Result], *, candidate: bool = False
) -> list[str]:
    """Return what a reader should know of a run's cases beside their verdicts.

    ``sound`` are the results of cases that ended in order, ``results`` of all. Of a ``candidate`` clean accuracy is
    always told.
    """
    return [
        *not_measured(sound),
        *clean_accuracies(sound, always=candidate),
        *changed_models(sound),
        *doubts(sound),
        *attempts(sound),
        *hints(sound),
        *common_images(sound),
        *too_few(suite, sound),
        *blind_spots(sound),
        *changed_images(sound),
        *not_judged(results),
    ]


def not_judged(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield why a metric was not judged, once for all cases."""
    reasons: dict[str, list[str]] = {}
    for case, result in results.items():
        for metric in result.verdict.metrics:
            if metric.outcome == "not judged":
                reasons.setdefault(metric.metric, []).append(f"{case}: {metric.text.partition(': ')[2]}")
    for name, cases in reasons.items():
        yield f"{name} not judged in {len(cases)} of {len(results)} cases, so of {cases[0]}"


def not_measured(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield how many cases are unchanged and were not measured, if there are any."""
    known = sum(result.verdict.status == Status.UNCHANGED for result in results.values())
    if known:
        yield f"{known} of {len(results)} cases were not measured: nothing changed since their baseline"


def changed_models(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield how models changed since their baselines."""
    for model, changes in {CaseId(case).model: result.verdict.changes for case, result in results.items()}.items():
        if changes:
            yield f"{model} is not the model of its baselines: {', '.join(changes)}"


def doubts(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield the masking checks that models fail, once for all of their cases."""
    told: dict[str, None] = {}
    for case, result in results.items():
        told |= dict.fromkeys(f"{CaseId(case).model} fails a masking check: {one}" for one in result.verdict.doubts)
    yield from told


def hints(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield how the suite perhaps should describe the input of models, once for all of their cases."""
    yield from dict.fromkeys(f"WARNING: {result.hint}" for result in results.values() if result.hint)


def attempts(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield how many images were attacked, for each model that is wrong about some of its images."""
    found: dict[str, tuple[int, int]] = {}
    for case, result in results.items():
        counts = result.measurement.aggregates
        found.setdefault(CaseId(case).model, (counts.attempts, counts.images))
    for model, (attempts, images) in found.items():
        said = f"{attempts} of {images} images are classified correctly when clean, so only these were attacked"
        if 2 * attempts < images:
            yield f"WARNING: {model}: {said}: is the suite's normalisation, and the order of its classes, the model's?"
        elif attempts < images:
            yield f"{model}: {said}"


def common_images(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield, once at most, that a baseline's rate is of other images than the rate beside it."""
    for case, result in results.items():
        success, attempts = result.verdict.metric("success rate"), result.measurement.aggregates.attempts
        if success is not None and success.images is not None and success.images != attempts:
            both = f"of the images that both runs attacked, {success.images} in {case}"
            yield f"success rates are of this run's attempts, {attempts} in {case}; baseline and change are {both}"
            return


def too_few(suite: Suite, results: Mapping[str, Result]) -> Iterator[str]:
    """Yield a warning for each model whose images are so few that no change of a rate could ever be significant."""
    told: dict[str, str] = {}
    for case, result in results.items() if suite.policy == "significance" else ():
        attempts = result.measurement.aggregates.attempts
        needed = math.ceil(-math.log2(suite.case(case).level))  # the chance that all are worse: 2 ** -images
        if attempts < needed:
            said = f"{attempts} images attacked: even if all of them changed, no case could be sure of it alone"
            told.setdefault(CaseId(case).model, f"{said}; with fewer than {needed} none ever can")
    for model, said in told.items():
        yield f"WARNING: {model}: {said}"


def blind_spots(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield, once, what a suite without unselected images cannot see of a model that changed."""
    changed = [one for one in results.values() if one.verdict.changes]
    if changed and all(one.measurement.unselected is None for one in changed):
        yield (
            "no unselected images: whether a changed model is right as often as before shows in robust accuracy only"
        )


def changed_images(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield how the images changed since the baselines, once for all cases with the same change."""
    told: dict[str, list[str]] = {}
    for case, result in results.items():
        if result.verdict.status != Status.NOT_COMPARABLE:
            for note in result.verdict.images.notes:
                told.setdefault(note, []).append(case)
    for note, cases in told.items():
        yield f"{note}: {cases[0]}{f' and {len(cases) - 1} more' if len(cases) > 1 else ''}"


def clean_accuracies(results: Mapping[str, Result], *, always: bool) -> Iterator[str]:
    """Yield the clean accuracy of each model, from the first of its cases; if not ``always``, only when it moved."""
    first: dict[str, MetricVerdict] = {}
    for case, result in results.items():
        metric = result.verdict.metric("clean accuracy")
        if metric is not None and (always or metric.moved):
            first.setdefault(CaseId(case).model, metric)
    for model, metric in first.items():
        yield f"{model}: {metric.text}"

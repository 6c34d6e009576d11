"""Judges a whole run: each case by its baseline, and what only several cases can tell. Reads no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.diagnosis import diagnose
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.model_verdict import judge_models
from pytest_robustness.gate.pairing import Lists, Pair, pair
from pytest_robustness.gate.run_files import Run
from pytest_robustness.gate.slices import too_small, unsliced
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Status, Verdict
from pytest_robustness.suite.suite import Case, Suite

Stored = Callable[[str], Measurement | None]

#: Statuses of a case that was not compared with its baseline. To be judged, it must be measured or recorded again.
UNJUDGED = frozenset(
    {
        Status.NOT_JUDGED,
        Status.NO_BASELINE,
        Status.NOT_COMPARABLE,
        Status.TRIAL,
        Status.SKIPPED,
        Status.ERROR,
        Status.CRASHED,
    }
)
NO_MEASUREMENT = "not measured: the run has no measurement of it"
SAME_OUTCOMES = "the model changed, and not one image's outcome: was it measured?"


@dataclass
class Together:
    """Holds what several cases say together.

    Attributes:
        verdicts: the verdicts, by what they are of, in words.
        failures: lines for the verdicts that moved and fail the run.
        notes: lines for the verdicts that moved and do not fail it, and for slices that are too small.
        gaps: lines for what could not be judged.
    """

    verdicts: dict[str, MetricVerdict] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def judge_together(
    suite: Suite,
    measurements: Mapping[str, Measurement],
    stored: Stored,
    lists: Lists,
    *,
    accept_removed_images: bool = False,
) -> Together:
    """Judge what only several cases of a run can show. This can fail a run, but cannot make a failed run pass.

    Args:
        suite: the suite whose rules they are judged by.
        measurements: of the run, by case. Those without a baseline, or whose baseline or list of images cannot be read,
            are left out, because their own verdicts say so.
        stored: returns a case's baseline, or None.
        lists: where the lists of images come from; only needed when a case's sets differ.
        accept_removed_images: whether images of the baselines may be missing. The others are judged.
    """
    return judge_pairs(suite, pairs_of(measurements, stored, lists), lists, accept_removed_images=accept_removed_images)


def judge_pairs(
    suite: Suite, pairs: Mapping[str, Pair], lists: Lists, *, accept_removed_images: bool = False
) -> Together:
    """Judge what only several cases can show, as ``judge_together`` does, of what ``pairs_of`` returned."""
    together = Together(judge_models(suite, pairs, lists, accept_removed_images=accept_removed_images))
    for name, verdict in together.verdicts.items():
        if verdict.moved:
            of = name.removesuffix(f": {verdict.metric}")
            if verdict.fails:
                together.failures.append(f"{of}: {verdict.text}")
            else:
                together.notes.append(f"{of}, {verdict.outcome}: {verdict.text}")
    together.gaps += unsliced(suite, pairs, lists)
    together.notes += too_small(suite, pairs, lists)
    return together


@dataclass
class RunVerdict:
    """Holds the verdict on a run.

    Attributes:
        verdicts: of every regular case of the suite, and of every other one that was measured and has a baseline.
        together: what several cases say together.
        failures: lines for what fails the run beside its cases.
        notes: lines that a reader should know, and that fail nothing.
        gaps: lines for what several cases should say together, but could not.
        pairs: the measurements with their baselines, by case, where they have one that can be read.
        diagnoses: of the regressed cases.
    """

    verdicts: dict[str, Verdict]
    together: dict[str, MetricVerdict]
    failures: list[str]
    notes: list[str]
    gaps: list[str] = field(default_factory=list)
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    diagnoses: list[Diagnosis] = field(default_factory=list)

    @property
    def unjudged(self) -> list[str]:
        """Return the cases that were not compared with their baselines."""
        return [case for case, verdict in self.verdicts.items() if verdict.status in UNJUDGED]

    @property
    def failed(self) -> list[str]:
        """Return the cases that were compared and fail."""
        return [case for case, one in self.verdicts.items() if not one.passed and one.status not in UNJUDGED]

    @property
    def outcome(self) -> Literal["passed", "failed", "unjudged"]:
        """Return ``failed`` when anything was found to be worse, else ``unjudged`` when anything was not compared."""
        if self.failed or self.failures:
            return "failed"
        return "unjudged" if self.unjudged or self.gaps else "passed"


def judge_run(
    suite: Suite,
    measurements: Mapping[str, Measurement],
    stored: Stored,
    lists: Lists,
    *,
    accept_removed_images: bool = False,
    absent: Mapping[str, tuple[Status, str]] | None = None,
) -> RunVerdict:
    """Judge a run by a suite and its baselines, whoever measured it.

    Every regular case of the suite is required, and of each case every image of its baseline.

    Args:
        suite: the suite whose cases are required, and whose rules they are judged by.
        measurements: of the run, by case.
        stored: returns a case's baseline, or None. It may raise RobustnessError, which leaves the case unjudged.
        lists: where the lists of images come from; only needed when a case's sets differ.
        accept_removed_images: whether images of the baselines may be missing. The others are judged.
        absent: for cases without a measurement, what became of them and why, if more is known.
    """
    verdicts: dict[str, Verdict] = {}
    notes: list[str] = []
    for case in suite.cases():
        measurement = measurements.get(case.id)
        if measurement is not None:
            verdict = _judge(case, measurement, stored, lists, accept_removed_images=accept_removed_images)
            if case.attack.on_request and verdict.status == Status.NO_BASELINE:
                notes.append(f"{case.id}: measured on request, and not judged: it has no baseline")
                continue
            verdicts[case.id] = verdict
        elif not case.attack.on_request:
            status, why = (absent or {}).get(case.id, (Status.NOT_JUDGED, NO_MEASUREMENT))
            verdicts[case.id] = _unjudged(case.id, status, why)
    known = {case: one for case, one in measurements.items() if case in verdicts}
    if strange := [case for case in measurements if case not in {one.id for one in suite.cases()}]:
        notes.append(f"no cases of the suite, and not judged: {', '.join(strange)}")
    pairs = pairs_of(known, stored, lists)
    together = judge_pairs(suite, pairs, lists, accept_removed_images=accept_removed_images)
    diagnoses = diagnose(suite, pairs, verdicts, together.verdicts, lists)
    notes += [*together.notes, *_unmoved(pairs)]
    return RunVerdict(verdicts, together.verdicts, together.failures, notes, together.gaps, pairs, diagnoses)


def absent_cases(run: Run) -> dict[str, tuple[Status, str]]:
    """Return the status of each case of a stored run that has no measurement, and what is said of it."""
    statuses = {"error": Status.ERROR, "crashed": Status.CRASHED, "skipped": Status.SKIPPED}
    absent = {case: (Status.ERROR, problem) for case, problem in run.problems.items()}
    for case, one in run.record.cases.items():
        if one.status != "measured":
            said = f"{one.status}: {one.problem}" if one.problem else one.status
            absent[case] = statuses.get(one.status, Status.NOT_JUDGED), said
    return absent


def _judge(
    case: Case, measurement: Measurement, stored: Stored, lists: Lists, *, accept_removed_images: bool
) -> Verdict:
    rules = replace(Rules.of(case), accept_removed_images=accept_removed_images)
    try:
        verdict = judge(measurement, stored(case.id), rules, lists)
    except RobustnessError as error:
        return _unjudged(case.id, Status.ERROR, str(error))
    if verdict.status == Status.NOT_JUDGED:  # no metric could be judged
        return verdict.model_copy(update={"passed": False})
    return verdict


def _unjudged(case: str, status: Status, why: str) -> Verdict:
    return Verdict(case=case, passed=False, status=status, reason=f"{case}: {why}")


def pairs_of(measurements: Mapping[str, Measurement], stored: Stored, lists: Lists) -> dict[str, Pair]:
    """Return the measurements with their baselines, where they have one that can be read."""
    pairs = {}
    for case, measurement in measurements.items():
        try:
            baseline = stored(case)
            if baseline is not None:
                pairs[case] = pair(baseline, measurement, lists)
        except RobustnessError:  # the case's own verdict says so
            continue
    return pairs


def _unmoved(pairs: Mapping[str, Pair]) -> Iterator[str]:
    """Yield a line for each model that is another one by its digest, but has no image with another outcome in any case.

    A change can be that small. But a measurement that was made up looks like this, too.
    """
    models: dict[str, list[Pair]] = {}
    for case, paired in pairs.items():
        models.setdefault(CaseId(case).model, []).append(paired)
    for model, found in models.items():
        changed = any(one.current.provenance.changes(one.baseline.provenance) for one in found)
        if changed and all(_outcomes(one.baseline) == _outcomes(one.current) for one in found):
            yield f"{model}: {SAME_OUTCOMES}"


def _outcomes(one: Measurement) -> tuple[Sequence[int] | None, ...]:
    return one.evidence.correct, one.evidence.success, one.evidence.unselected_correct

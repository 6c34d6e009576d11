"""Judges the cases of a stored run one by one, as the run itself would have, to report on it or to record it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.anchor import Anchor
from pytest_robustness.gate.git_anchor import anchor_at
from pytest_robustness.gate.judge import check_attempts, judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_files import Run
from pytest_robustness.gate.run_verdict import RunVerdict, absent_cases
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import Status
from pytest_robustness.suite.suite import Suite

#: Begins the name of an anchor that is a revision of the repository.
GIT = "git:"


@dataclass(frozen=True)
class JudgedCases:
    """Holds the results of cases by name, and of the others what became of them and why."""

    results: dict[str, Result]
    troubles: dict[str, Status]
    problems: dict[str, str]


def judge_cases(
    suite: Suite,
    measured: Run,
    cases: Container[str],
    store: BaselineStore,
    *,
    accept_removed_images: bool = False,
    recording: bool = False,
    anchor: Anchor | None = None,
) -> JudgedCases:
    """Judge those cases of a run that are among ``cases`` by their baselines, and by an anchor.

    ``recording`` says whether they are to become the baselines.
    """
    lists = Lists(measured.lists, store.image_list)
    absent = {case: why for case, why in absent_cases(measured).items() if case in cases}
    results: dict[str, Result] = {}
    for name, one in measured.measurements.items():
        case = suite.case(name)
        rules = replace(Rules.of(case), accept_removed_images=accept_removed_images)
        try:
            baseline = store.read(name)
            check_attempts(case, one, baseline, recording=recording)
            verdict = judge(one, baseline, rules, lists)
            if anchor is not None:
                verdict = anchor.judge(one, verdict, rules, measured.lists, _removed(baseline))
            results[name] = Result(measurement=one, verdict=verdict)
        except RobustnessError as error:
            absent[name] = Status.ERROR, str(error)
    return JudgedCases(
        results,
        {case: status for case, (status, _) in absent.items()},
        {case: _said(case, why) for case, (_, why) in absent.items()},
    )


def hold_against(
    anchor: Anchor,
    suite: Suite,
    verdict: RunVerdict,
    measured: Run,
    store: BaselineStore,
    *,
    accept_removed_images: bool,
) -> None:
    """Judge a run, whose verdict is known, by an anchor as well. This can fail a run, and never makes one pass."""
    for case, one in verdict.verdicts.items():
        if one.passed and case in measured.measurements:
            rules = replace(Rules.of(suite.case(case)), accept_removed_images=accept_removed_images)
            current, removed = measured.measurements[case], _removed(store.read(case))
            try:
                verdict.verdicts[case] = anchor.judge(current, one, rules, measured.lists, removed)
            except RobustnessError as error:
                problem = {"passed": False, "status": Status.ERROR, "reason": f"{case}: {error}"}
                verdict.verdicts[case] = one.model_copy(update=problem)
    anchor.check(
        measured.measurements,
        measured.lists,
        verdict.failures,
        verdict.notes,
        removed=max((one.images.removed for one in verdict.verdicts.values()), default=0),
        candidate=measured.record.candidate is not None,
    )


def find_anchor(named: str | None, suite: Suite, baselines: Path) -> Anchor | None:
    """Return the anchor that a command line names: a folder of anchors, or ``git:REVISION``. Returns None for None.

    Raises RobustnessError when there is none.
    """
    if named is None:
        return None
    if named.startswith(GIT):
        return anchor_at(named.removeprefix(GIT), suite, baselines, Path.cwd())
    anchor = Anchor(Path(named), suite)
    anchor.rules()
    return anchor


def _removed(baseline: Measurement | None) -> int:
    """Return how many images of earlier baselines were accepted as missing."""
    return (baseline.provenance.removed_images if baseline else None) or 0


def _said(case: str, why: str) -> str:
    """Return what is said of a case without a measurement, which begins with the case."""
    for status in ("error", "crashed", "skipped"):  # said anyway
        why = why.removeprefix(f"{status}: ")
    return f"{case}: {why.removeprefix(f'{case}: ')}"

"""Judges the cases of a stored run one by one, as the run itself would have, for a report on it and to record it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.judge import check_attempts, judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_files import Run
from pytest_robustness.gate.run_verdict import absent_cases
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import Status
from pytest_robustness.suite.suite import Suite


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
) -> JudgedCases:
    """Judge those cases of a run that are among ``cases`` by their baselines.

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
            results[name] = Result(measurement=one, verdict=judge(one, baseline, rules, lists))
        except RobustnessError as error:
            absent[name] = Status.ERROR, str(error)
    return JudgedCases(
        results,
        {case: status for case, (status, _) in absent.items()},
        {case: _said(case, why) for case, (_, why) in absent.items()},
    )


def _said(case: str, why: str) -> str:
    """Return what is said of a case without a measurement, which begins with the case."""
    for status in ("error", "crashed", "skipped"):  # said anyway
        why = why.removeprefix(f"{status}: ")
    return f"{case}: {why.removeprefix(f'{case}: ')}"

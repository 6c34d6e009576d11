"""Judges the files of a run by a suite and a folder of baselines, for every command that needs such a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_files import Run, read_run
from pytest_robustness.gate.run_verdict import RunVerdict, judge_run
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.verdict import Status
from pytest_robustness.suite.suite import Suite


@dataclass(frozen=True)
class JudgedRun:
    """Holds a run as it was found, its verdict, and where the lists of the images come from."""

    suite: Suite
    measured: Run
    verdict: RunVerdict
    lists: Lists

    @property
    def unfinished(self) -> bool:
        """Return whether the run was interrupted, or ended before it had written everything."""
        return not self.measured.record.complete

    @property
    def outcome(self) -> Literal["passed", "failed", "unjudged"]:
        """Return the verdict on the run. A run that is not finished cannot pass."""
        return "unjudged" if self.unfinished and self.verdict.outcome == "passed" else self.verdict.outcome


def judge_files(path: Path, suite: Suite, baselines: Path, *, accept_removed_images: bool = False) -> JudgedRun:
    """Judge what --robustness-run wrote.

    Args:
        path: the run: a folder or a zip file.
        suite: whose rules it is judged by.
        baselines: the folder in which the suite's folder of baselines lies.
        accept_removed_images: whether images of the baselines may be missing. The others are judged.

    Raises Unjudgeable, naming the file, when there is no record of such a run, or it is damaged.
    """
    measured = read_run(path, suite.name, [case.id for case in suite.cases()])
    store = BaselineStore(baselines, suite.name)
    lists = Lists(measured.lists, store.image_list)
    verdict = judge_run(
        suite,
        measured.measurements,
        store.read,
        lists,
        accept_removed_images=accept_removed_images,
        absent=_absent(measured),
    )
    return JudgedRun(suite, measured, verdict, lists)


def _absent(measured: Run) -> dict[str, tuple[Status, str]]:
    """Return the status of each case that has no measurement, and what is said of it."""
    statuses = {"error": Status.ERROR, "crashed": Status.CRASHED, "skipped": Status.SKIPPED}
    absent = {case: (Status.ERROR, problem) for case, problem in measured.problems.items()}
    for case, one in measured.record.cases.items():
        if one.status != "measured":
            said = f"{one.status}: {one.problem}" if one.problem else one.status
            absent[case] = statuses.get(one.status, Status.NOT_JUDGED), said
    return absent

"""Judges the files of a run by a suite and a folder of baselines, for every command that needs such a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_robustness.gate.anchor import Anchor
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.run_files import Run, read_run
from pytest_robustness.gate.run_verdict import RunVerdict, absent_cases, judge_run
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.gate.stored_run import hold_against
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


def judge_files(
    path: Path,
    suite: Suite,
    baselines: Path,
    *,
    accept_removed_images: bool = False,
    anchor: Anchor | None = None,
) -> JudgedRun:
    """Judge what --robustness-run or merge wrote.

    Args:
        path: the run: a folder, a zip or a JSON file.
        suite: whose rules it is judged by.
        baselines: the folder in which the suite's folder of baselines lies.
        accept_removed_images: whether images of the baselines may be missing. The others are judged.
        anchor: a release that it is also judged by.

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
        absent=absent_cases(measured),
    )
    if anchor is not None:
        hold_against(anchor, suite, verdict, measured, store, accept_removed_images=accept_removed_images)
    return JudgedRun(suite, measured, verdict, lists)

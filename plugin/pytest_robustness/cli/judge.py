"""Judge what a run measured by a suite and its baselines, elsewhere and later, without torch and without pytest.

RUN is what --robustness-run or merge wrote: a folder, a .zip or a .json file. Of the suite only the rules are read, so
neither its images nor its weights need be there. Every regular case of the suite is demanded, and of each every image
of its baseline.
Exit status: 0 passed; 1 failed: something is worse; 2 could not be judged: crashed, missing, unfinished, not
comparable, or without a baseline; 4 usage error.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError

if TYPE_CHECKING:
    from pytest_robustness.gate.run_files import Run
    from pytest_robustness.gate.run_verdict import RunVerdict
    from pytest_robustness.suite.suite import Suite

#: What the last line says of a run, and the exit status.
OUTCOMES = {"passed": ("passed", 0), "failed": ("failed", 1), "unjudged": ("could not be judged", 2)}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_path", type=Path, metavar="RUN", help="folder, .zip or .json file")
    parser.add_argument("--suite", type=Path, required=True, metavar="SUITE.toml", help="whose rules it is judged by")
    parser.add_argument("--baselines", type=Path, required=True, metavar="DIR", help="folder of the suite's baselines")
    parser.add_argument("--anchor", metavar="DIR|git:REVISION", help="a release's baselines that it is also judged by")
    parser.add_argument(
        "--accept-removed-images", action="store_true", help="judge although images of the baselines are missing"
    )


def run(options: argparse.Namespace) -> int:
    """Print each case whose verdict is not "same", what the cases say together, and the verdict; return its status."""
    from pytest_robustness.gate.run_files import Unjudgeable, read_run
    from pytest_robustness.report.text import printable
    from pytest_robustness.suite.load import load_suite

    suite = load_suite(options.suite, files=False)
    for folder in (options.baselines, options.baselines / suite.name):
        if not folder.is_dir():
            raise RobustnessError(f"--baselines {options.baselines}: no folder {folder}")
    if not options.run_path.exists():
        raise RobustnessError(f"{options.run_path}: no such run: name a folder, a .zip or a .json file")
    try:
        measured = read_run(options.run_path, suite.name, [case.id for case in suite.cases()])
    except Unjudgeable as error:
        print(printable(str(error)))
        print(f"{suite.name}: {OUTCOMES['unjudged'][0]}")
        return OUTCOMES["unjudged"][1]
    verdict = _judge(suite, measured, options)
    lines, unfinished = _lines(verdict), not measured.record.complete
    if measured.record.candidate is not None:
        lines.append(f"note: measured with --candidate {measured.record.candidate}")
    if unfinished:
        lines.append("unfinished: the run was interrupted, or ended before it had written everything")
    said, status = OUTCOMES["unjudged" if unfinished and verdict.outcome == "passed" else verdict.outcome]
    counts = Counter(str(one.status) for one in verdict.verdicts.values())
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    for line in lines:
        print(printable(line))
    print(f"{suite.name}: {said}: {len(verdict.verdicts)} cases: {told}")
    return status


def _judge(suite: Suite, measured: Run, options: argparse.Namespace) -> RunVerdict:
    from pytest_robustness.gate.pairing import Lists
    from pytest_robustness.gate.run_verdict import absent_cases, judge_run
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.gate.stored_run import find_anchor, hold_against

    store = BaselineStore(options.baselines, suite.name)
    verdict = judge_run(
        suite,
        measured.measurements,
        store.read,
        Lists(measured.lists, store.image_list),
        accept_removed_images=options.accept_removed_images,
        absent=absent_cases(measured),
    )
    anchor = find_anchor(options.anchor, suite, options.baselines)
    if anchor is not None:
        hold_against(anchor, suite, verdict, measured, store, accept_removed_images=options.accept_removed_images)
    return verdict


def _lines(verdict: RunVerdict) -> list[str]:
    from pytest_robustness.records.verdict import Status

    moved = [one for one in verdict.verdicts.values() if one.status != Status.SAME]
    lines = [f"{one.status}: {one.reason}" for one in sorted(moved, key=lambda one: one.passed)]
    lines += [f"failed: {failure}" for failure in verdict.failures]
    lines += [f"not judged: {gap}" for gap in verdict.gaps]
    return lines + [f"note: {note}" for note in verdict.notes]

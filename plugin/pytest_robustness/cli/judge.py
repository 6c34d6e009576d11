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
    from pytest_robustness.gate.judged_run import JudgedRun
    from pytest_robustness.gate.run_verdict import RunVerdict

#: What the last line says of a run, and the exit status.
OUTCOMES = {"passed": ("passed", 0), "failed": ("failed", 1), "unjudged": ("could not be judged", 2)}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_run(parser)
    parser.add_argument("--anchor", metavar="DIR|git:REVISION", help="a release's baselines that it is also judged by")


def add_run(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every command that judges a run."""
    parser.add_argument("run_path", type=Path, metavar="RUN", help="folder, .zip or .json file")
    parser.add_argument("--suite", type=Path, required=True, metavar="SUITE.toml", help="whose rules it is judged by")
    parser.add_argument("--baselines", type=Path, required=True, metavar="DIR", help="folder of the suite's baselines")
    parser.add_argument(
        "--accept-removed-images", action="store_true", help="judge although images of the baselines are missing"
    )


def run(options: argparse.Namespace) -> int:
    """Print each case whose verdict is not "same", what the cases say together, and the verdict; return its status."""
    from pytest_robustness.gate.run_files import Unjudgeable
    from pytest_robustness.report.text import printable

    try:
        judged = judged_by(options, options.anchor)
    except Unjudgeable as error:
        print(printable(str(error)))
        print(f"{options.suite.stem}: {OUTCOMES['unjudged'][0]}")
        return OUTCOMES["unjudged"][1]
    for line in lines(judged):
        print(printable(line))
    return OUTCOMES[judged.outcome][1]


def judged_by(options: argparse.Namespace, anchor: str | None = None) -> JudgedRun:
    """Judge the run that the arguments name, also by an anchor where one is named.

    Raises Unjudgeable when nothing can be judged from it, and RobustnessError for a mistake in the arguments.
    """
    from pytest_robustness.gate.judged_run import judge_files
    from pytest_robustness.gate.stored_run import find_anchor
    from pytest_robustness.suite.load import load_suite

    suite = load_suite(options.suite, files=False)
    for folder in (options.baselines, options.baselines / suite.name):
        if not folder.is_dir():
            raise RobustnessError(f"--baselines {options.baselines}: no folder {folder}")
    if not options.run_path.exists():
        raise RobustnessError(f"{options.run_path}: no such run: name a folder, a .zip or a .json file")
    return judge_files(
        options.run_path,
        suite,
        options.baselines,
        accept_removed_images=options.accept_removed_images,
        anchor=find_anchor(anchor, suite, options.baselines),
    )


def lines(judged: JudgedRun) -> list[str]:
    """Return what is said of a run: each case whose verdict is not "same", what cases say together, and the verdict."""
    said = _lines(judged.verdict)
    if judged.measured.record.candidate is not None:
        said.append(f"note: measured with --candidate {judged.measured.record.candidate}")
    if judged.unfinished:
        said.append("unfinished: the run was interrupted, or ended before it had written everything")
    counts = Counter(str(one.status) for one in judged.verdict.verdicts.values())
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    cases = len(judged.verdict.verdicts)
    return [*said, f"{judged.suite.name}: {OUTCOMES[judged.outcome][0]}: {cases} cases: {told}"]


def _lines(verdict: RunVerdict) -> list[str]:
    from pytest_robustness.records.verdict import Status
    from pytest_robustness.report.diagnosis import short

    moved = [one for one in verdict.verdicts.values() if one.status != Status.SAME]
    lines = [f"{one.status}: {one.reason}" for one in sorted(moved, key=lambda one: one.passed)]
    lines += [f"failed: {failure}" for failure in verdict.failures]
    lines += [f"not judged: {gap}" for gap in verdict.gaps]
    lines += [f"diagnosis: {told}" for told in short(verdict.diagnoses)]
    return lines + [f"note: {note}" for note in [*_removed(verdict), *verdict.notes]]


def _removed(verdict: RunVerdict) -> list[str]:
    """Return a note on each number of images that are missing, and that were accepted as missing."""
    from pytest_robustness.records.verdict import ACCEPTED, count_images

    cases: dict[int, list[str]] = {}
    for case, one in verdict.verdicts.items():
        if one.images.removed and one.metrics:
            cases.setdefault(one.images.removed, []).append(case)
    return [f"{', '.join(found)}: {count_images(count, '', ACCEPTED)}" for count, found in cases.items()]

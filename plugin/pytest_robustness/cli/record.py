"""Record the baselines of what a run measured, elsewhere or in shards, as --update-baselines does in the run itself.

RUN is what --robustness-run or merge wrote: a folder, a .zip or a .json file. Neither torch nor images and weights are
needed. Exit status: 0 recorded; 1 a case was not recorded, and is named; 4 usage error.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError

if TYPE_CHECKING:
    from pytest_robustness.gate.run_files import Run

NOT_RECORDED = 1


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run_path", type=Path, metavar="RUN", help="folder, .zip or .json file")
    parser.add_argument("--suite", type=Path, required=True, metavar="SUITE.toml", help="whose baselines they are")
    parser.add_argument(
        "--baselines", type=Path, default=Path("baselines"), metavar="DIR", help="(default: %(default)s)"
    )
    parser.add_argument("--missing", action="store_true", help="record only the cases that have no baseline")
    parser.add_argument(
        "--accept-removed-images", action="store_true", help="record although images of the baselines are missing"
    )
    parser.add_argument(
        "--accept-suspicious", action="store_true", help="record values that a failed masking check makes doubtful"
    )
    parser.add_argument(
        "--update-baselines-in-ci",
        action="store_true",
        help="allow recording although the environment variable CI is set",
    )


def run(options: argparse.Namespace) -> int:
    """Write the baselines, print what became of each case, and return the exit status."""
    from pytest_robustness.gate.owner import check_owner
    from pytest_robustness.gate.record import BaselineWriter, check_ci
    from pytest_robustness.gate.run_files import read_run
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.gate.stored_run import judge_cases
    from pytest_robustness.report.text import printable
    from pytest_robustness.suite.load import load_suite

    check_ci(allowed=options.update_baselines_in_ci)
    suite, root = load_suite(options.suite, files=False), Path.cwd()
    check_owner(options.baselines / suite.name, suite.path, root)
    if not options.run_path.exists():
        raise RobustnessError(f"{options.run_path}: no such run: name a folder, a .zip or a .json file")
    store = BaselineStore(options.baselines, suite.name)
    cases = [case.id for case in suite.cases() if not (options.missing and store.path(case.id).exists())]
    measured = read_run(options.run_path, suite.name, cases)
    _check(options, measured)
    judged = judge_cases(
        suite, measured, cases, store, accept_removed_images=options.accept_removed_images, recording=True
    )
    notes, failures = list[str](), list[str]()
    BaselineWriter(store, suite.path, root, notes, failures).record(
        judged.results,
        judged.troubles,
        {one.digest: one for one in measured.lists},
        commit=measured.record.commit,
        accept_removed_images=options.accept_removed_images,
        accept_suspicious=options.accept_suspicious,
    )
    for line in [*judged.problems.values(), *notes, *failures]:
        print(printable(line))
    return NOT_RECORDED if failures or judged.troubles else 0


def _check(options: argparse.Namespace, measured: Run) -> None:
    record = measured.record
    if not record.complete:
        raise RobustnessError(f"{options.run_path}: the run did not end: measure it again")
    if record.candidate is not None:
        what = f"measured with --candidate {record.candidate}, which is no model of the suite: nothing to record"
        raise RobustnessError(f"{options.run_path}: {what}")

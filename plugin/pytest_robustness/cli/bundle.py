"""Pack what a verdict follows from into one zip file: suite, image lists, run, baselines, report and versions.

RUN is what --robustness-run or merge wrote. It is judged first, as `judge` does, and the verdict is stated in the
bundle, whatever it is. --report adds the data of --robustness-json of the same run, with its pictures; without it a
report is made from the run. Equal evidence makes equal bundles. Exit status: 0 written; 4 usage error, or evidence that
is damaged or does not agree.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.cli import judge
from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import write_whole

if TYPE_CHECKING:
    from pytest_robustness.gate.judged_run import JudgedRun
    from pytest_robustness.report.data import Report


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    judge.add_run(parser)
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="data of --robustness-json of the same run")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="BUNDLE.zip")


def run(options: argparse.Namespace) -> int:
    """Write the bundle, and print its name, its verdict and its manifest's digest."""
    from pytest_robustness.gate.bundle import REPORT, evidence_files, is_bundle, manifest_of, packed

    output = options.output
    if output.suffix != ".zip":
        options.parser.error(f"{output}: should end in .zip")
    if output.exists() and not is_bundle(output):
        raise RobustnessError(f"{output}: is there already and is no bundle: give another name by -o")
    judged = judge.judged_by(options)
    files = evidence_files(judged, options.baselines)
    files[REPORT] = _report(options, judged)
    manifest = manifest_of(judged, files, accept_removed_images=options.accept_removed_images)
    data = packed(manifest, files)
    write_whole(output, data)
    said = judge.OUTCOMES[manifest.outcome][0]
    print(f"written: {output}: {manifest.suite}: {said}, {len(manifest.files)} files, {len(data):,} bytes")
    print(f"manifest: sha256 {manifest.digest}")
    return 0


def _report(options: argparse.Namespace, judged: JudgedRun) -> bytes:
    """Return the report's data: as it was given, else made from the run.

    Raises RobustnessError, naming the file, when the given one does not say what the evidence says.
    """
    from pytest_robustness.report.agreement import disagreements
    from pytest_robustness.report.data import Report

    given: Path | None = options.report
    made = _made(options, judged)
    if given is None:
        return made.to_json().encode()
    try:
        data = given.read_bytes()
        report = Report.from_json(data.decode())
    except OSError as error:
        raise RobustnessError(f"{given}: {error.strerror}") from None
    except (RobustnessError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{given}: {error}") from None
    for problem in disagreements(report, judged, made):
        raise RobustnessError(f"{given}: {problem}: is it the report of this very run?")
    return data


def _made(options: argparse.Namespace, judged: JudgedRun) -> Report:
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.report.of_run import undated_report

    store = BaselineStore(options.baselines, judged.suite.name)
    return undated_report(judged, store, accept_removed_images=options.accept_removed_images)

"""Pack what a verdict follows from into one zip file: suite, image lists, run, baselines, report and versions.

RUN is what --robustness-run wrote. It is judged first, as `judge` does, and the verdict is stated in the bundle,
whatever it is. --report adds the data of --robustness-json of the same run, with its pictures; without it a report is
made from the run. Equal evidence makes equal bundles. Exit status: 0 written; 4 usage error, or evidence that is
damaged or does not agree.
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


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    judge.add(parser)
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
    files[REPORT] = _report(options.report, judged)
    manifest = manifest_of(judged, files, accept_removed_images=options.accept_removed_images)
    data = packed(manifest, files)
    write_whole(output, data)
    said = judge.OUTCOMES[manifest.outcome][0]
    print(f"written: {output}: {manifest.suite}: {said}, {len(manifest.files)} files, {len(data):,} bytes")
    print(f"manifest: sha256 {manifest.digest}")
    return 0


def _report(given: Path | None, judged: JudgedRun) -> bytes:
    """Return the report's data: as it was given, else made from the run.

    Raises RobustnessError, naming the file, when the given one does not say what the evidence says.
    """
    from pytest_robustness.report.agreement import disagreements, report_of
    from pytest_robustness.report.data import Report

    if given is None:
        return report_of(judged).to_json().encode()
    try:
        data = given.read_bytes()
        report = Report.from_json(data.decode())
    except OSError as error:
        raise RobustnessError(f"{given}: {error.strerror}") from None
    except (RobustnessError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{given}: {error}") from None
    for problem in disagreements(report, judged):
        raise RobustnessError(f"{given}: {problem}: is it the report of this very run?")
    return data

"""Render the data of --robustness-json, or a run, as a page or as Markdown, later and elsewhere, without torch.

A run, of --robustness-run or merge, is judged by --suite and --baselines first, as --robustness-json would have done;
-o FILE.json keeps the data. Whether it passed is said in the report: the exit status is 0 when it was written.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError, encodable
from pytest_robustness.files import real, write_whole

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", type=Path, metavar="FILE.json", help="data, or a run: a .json or .zip file, or a folder"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=".html, .md for Markdown, or .json (default: FILE.html)"
    )
    parser.add_argument("--suite", type=Path, metavar="SUITE.toml", help="of a run: whose rules it is judged by")
    parser.add_argument("--baselines", type=Path, metavar="DIR", help="of a run: folder of the suite's baselines")
    parser.add_argument("--anchor", metavar="DIR|git:REVISION", help="of a run: what it is also judged by")
    parser.add_argument(
        "--accept-removed-images", action="store_true", help="of a run: judge although images of baselines are missing"
    )


def run(options: argparse.Namespace) -> int:
    """Write the rendered report. Raises RobustnessError, naming the file, for data that cannot be rendered."""
    if not options.file.name:
        options.parser.error(f"{options.file}: is a folder: name a run's JSON data")
    output = options.output or options.file.with_suffix(".html")
    if output.suffix not in (".html", ".htm", ".md", ".json"):
        options.parser.error(f"{output}: should end in .html, .md or .json")
    if real(output) == real(options.file):
        options.parser.error(f"{output}: is the file that is read: give another by -o")
    try:
        report = _of_run(options) if options.suite else _of_data(options)
        write_whole(output, _rendered(report, output.suffix))
    except ArithmeticError as error:  # numbers that no measurement gives, and that do not fit on an axis
        raise RobustnessError(f"{options.file}: its numbers cannot be drawn: {error}") from None
    except OSError as error:
        raise RobustnessError(f"{error.filename}: {error.strerror}") from None
    return 0


def _of_data(options: argparse.Namespace) -> Report:
    from pytest_robustness.gate.run_files import is_run, why_part
    from pytest_robustness.report.data import Report

    if options.baselines or options.anchor or options.accept_removed_images:
        options.parser.error("--baselines, --anchor and --accept-removed-images are for a run: give its --suite, too")
    if is_run(options.file):
        options.parser.error(f"{options.file}: is a run: say what it is judged by: --suite SUITE.toml --baselines DIR")
    try:
        return Report.from_json(options.file.read_text(encoding="utf-8"))
    except (RobustnessError, UnicodeDecodeError) as error:
        raise RobustnessError(why_part(options.file) or f"{options.file}: {error}") from None


def _of_run(options: argparse.Namespace) -> Report:
    from pytest_robustness.gate.run_files import read_run
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.gate.stored_run import find_anchor
    from pytest_robustness.report.of_run import report_of_run
    from pytest_robustness.suite.load import load_suite

    if options.baselines is None:
        options.parser.error("--suite: give the folder of its baselines, too: --baselines DIR")
    if not options.file.exists():
        raise RobustnessError(f"{options.file}: no such run: name a folder, a .zip or a .json file")
    suite = load_suite(options.suite, files=False)
    if not (folder := options.baselines / suite.name).is_dir():
        raise RobustnessError(f"--baselines {options.baselines}: no folder {folder}")
    measured = read_run(options.file, suite.name, [case.id for case in suite.cases()])
    if measured.record.candidate is not None:
        suite = suite.with_candidate(measured.record.candidate, Path.cwd())
    return report_of_run(
        suite,
        measured,
        BaselineStore(options.baselines, suite.name),
        command=encodable(shlex.join(["python", "-m", "pytest_robustness", *options.words])),
        accept_removed_images=options.accept_removed_images,
        anchor=find_anchor(options.anchor, suite, options.baselines),
    )


def _rendered(report: Report, suffix: str) -> str:
    if suffix == ".json":
        return report.to_json()
    if suffix == ".md":
        from pytest_robustness.report.markdown import markdown

        return markdown(report)
    from pytest_robustness.report.html.page import render

    return render(report)

"""Render the data of --robustness-json as a page or as Markdown, later and elsewhere, without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE.json")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=".html, or .md for Markdown (default: FILE.html)"
    )


def run(options: argparse.Namespace) -> int:
    """Write the rendered report. Raises RobustnessError, naming the file, for data that cannot be rendered."""
    from pytest_robustness.report.data import Report

    if not options.file.name:
        options.parser.error(f"{options.file}: is a folder: name a run's JSON data")
    output = options.output or options.file.with_suffix(".html")
    if output.suffix not in (".html", ".htm", ".md"):
        options.parser.error(f"{output}: should end in .html or .md")
    if real(output) == real(options.file):
        options.parser.error(f"{output}: is the file that is read: give another by -o")
    try:
        report = Report.from_json(options.file.read_text(encoding="utf-8"))
        write_whole(output, _rendered(report, output.suffix))
    except (RobustnessError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{options.file}: {error}") from None
    except ArithmeticError as error:  # numbers that no measurement gives, and that do not fit on an axis
        raise RobustnessError(f"{options.file}: its numbers cannot be drawn: {error}") from None
    except OSError as error:
        raise RobustnessError(f"{error.filename}: {error.strerror}") from None
    except ModuleNotFoundError as error:
        raise RobustnessError(f"{output}: needs {error.name}: pip install 'pytest-robustness[report]'") from None
    return 0


def _rendered(report: Report, suffix: str) -> str:
    if suffix == ".md":
        from pytest_robustness.report.markdown import markdown

        return markdown(report)
    from pytest_robustness.report.html.page import render

    return render(report)

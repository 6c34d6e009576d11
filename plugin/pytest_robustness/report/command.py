"""``python -m pytest_robustness report FILE.json -o out.html``: a report rendered later, elsewhere, without torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import write_whole
from pytest_robustness.report.data import Report, json_schema


def report(arguments: Sequence[str]) -> int:
    """Render the data of ``--robustness-json``."""
    parser = argparse.ArgumentParser(prog="python -m pytest_robustness report", description=report.__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.json")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help=".html, or .md for Markdown (default: FILE.html)"
    )
    options = parser.parse_args(arguments)
    output = options.output or options.file.with_suffix(".html")
    if output.suffix not in (".html", ".htm", ".md"):
        parser.error(f"{output}: should end in .html or .md")
    try:
        found = Report.from_json(options.file.read_text(encoding="utf-8"))
        write_whole(output, _rendered(found, output.suffix))
    except (RobustnessError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{options.file}: {error}") from None
    except ArithmeticError as error:  # numbers that no measurement gives, and no axis has room for
        raise RobustnessError(f"{options.file}: its numbers cannot be drawn: {error}") from None
    except OSError as error:
        raise RobustnessError(f"{error.filename}: {error.strerror}") from None
    except ModuleNotFoundError as error:
        raise RobustnessError(f"{output}: needs {error.name}: pip install 'pytest-robustness[report]'") from None
    return 0


def _rendered(found: Report, suffix: str) -> str:
    if suffix == ".md":
        from pytest_robustness.report.markdown import markdown

        return markdown(found)
    from pytest_robustness.report.page import render

    return render(found)


def schema(arguments: Sequence[str]) -> int:
    """Print the JSON Schema of ``--robustness-json``."""
    argparse.ArgumentParser(prog="python -m pytest_robustness schema", description=schema.__doc__).parse_args(arguments)
    print(json.dumps(json_schema(), indent=2))
    return 0

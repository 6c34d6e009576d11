"""Write what a model card says of robustness: a section in Markdown, and Hugging Face's model-index in YAML.

FILE.json is the data of --robustness-json. The YAML block belongs at the top of a model card, the section anywhere
below. Each rate has its attack, its parameters, its protocol's digest and its interval. A file that somebody edited is
not written over.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole

#: The last line of a file that this command wrote: the SHA-256 of what is above it. Markdown does not show it.
MARK = "<!-- pytest-robustness card {} -->\n"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE.json")
    parser.add_argument("-o", "--output", type=Path, metavar="CARD.md", help="(default: the terminal)")
    parser.add_argument("--model", metavar="NAME", help="of which model; needed when the run had several")


def run(options: argparse.Namespace) -> int:
    """Write the card. Raises RobustnessError, naming the file, for data of which there can be none."""
    from pytest_robustness.report.card import card
    from pytest_robustness.report.data import Report

    output = options.output
    if not options.file.is_file():
        options.parser.error(f"{options.file}: no such file: name the data of --robustness-json")
    if output is not None:
        if output.suffix != ".md":
            options.parser.error(f"{output}: should end in .md")
        if real(output) == real(options.file):
            options.parser.error(f"{output}: is the file that is read: give another by -o")
        if output.exists() and not _is_card(output):
            raise RobustnessError(
                f"{output}: is there already and is no card as it was written: give another name by -o"
            )
    try:
        text = card(Report.from_json(options.file.read_text(encoding="utf-8")), options.model)
    except (RobustnessError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{options.file}: {error}") from None
    if output is None:
        print(text, end="")
    else:
        write_whole(output, text + _mark(text))
        print(f"written: {output}")
    return 0


def _mark(text: str) -> str:
    return MARK.format(sha256(text.encode()).hexdigest())


def _is_card(path: Path) -> bool:
    """Return whether a file is a card as it was written, that nobody added anything to, or empty."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return not lines or lines[-1] == _mark("".join(lines[:-1]))

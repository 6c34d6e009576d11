"""The command line: ``python -m pytest_robustness COMMAND``, for what is not a test run.

A command is one file of this package with ``add(parser)``, which declares its arguments, and ``run(options)``, which
returns the exit status; it is listed in ``COMMANDS``. Commands import what is heavy inside ``run``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from pytest_robustness.cli import (
    anchor,
    bisect,
    bundle,
    card,
    history,
    images,
    init,
    judge,
    merge,
    record,
    rename,
    report,
    schema,
    select,
    verify,
)
from pytest_robustness.errors import RobustnessError, encodable

#: By name; the first line of a command's docstring is its help.
COMMANDS: dict[str, ModuleType] = {
    "anchor": anchor,
    "bisect": bisect,
    "bundle": bundle,
    "card": card,
    "history": history,
    "images": images,
    "init": init,
    "judge": judge,
    "merge": merge,
    "record": record,
    "rename": rename,
    "report": report,
    "schema": schema,
    "select": select,
    "verify": verify,
}
USAGE_ERROR = 4  # as pytest's
#: The extra that brings a module which commands import and which the package does without.
EXTRAS = {
    "jinja2": "report",
    "PIL": "suite",
    "timm": "suite",
    "torchvision": "suite",
    "tqdm": "suite",
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors end the process with pytest's exit status for usage errors."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name and return its exit status; 4 for a usage error."""
    options = argparse.Namespace()
    try:
        own, rest = _split(list(arguments))
        options = _parser().parse_args(own, argparse.Namespace(rest=rest, words=arguments))
        return int(options.run(options))
    except SystemExit as ended:  # argparse has said why, or shown its help
        return int(ended.code or 0)
    except RobustnessError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return USAGE_ERROR
    except ModuleNotFoundError as error:
        if (extra := EXTRAS.get(str(error.name).partition(".")[0])) is None:
            raise
        print(f"ERROR: {options.command} needs {error.name}: pip install 'pytest-robustness[{extra}]'", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:  # of a file that nobody could foresee: a name that is too long, a disk that is full
        print(f"ERROR: {encodable(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments, and those behind ``--`` that a command with ``TAKES_REST`` hands on to another program."""
    if "--" in arguments and getattr(COMMANDS.get(arguments[0]), "TAKES_REST", False):
        place = arguments.index("--")
        return arguments[:place], arguments[place + 1 :]
    return arguments, []


def _parser() -> Parser:
    parser = Parser(prog="python -m pytest_robustness", description="Commands beside the test run.")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for name, command in COMMANDS.items():
        doc = command.__doc__ or ""
        sub = commands.add_parser(name, help=doc.splitlines()[0], description=doc, formatter_class=_Formatter)
        command.add(sub)
        sub.set_defaults(run=command.run, parser=sub)
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows a command's docstring with its own line breaks."""

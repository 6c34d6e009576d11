"""``python -m pytest_robustness COMMAND``: what is not a test run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from pytest_robustness.errors import RobustnessError

#: Commands, and the functions that take their arguments and return an exit status.
COMMANDS: Mapping[str, str] = {
    "anchor": "pytest_robustness.gate.anchor:main",
    "report": "pytest_robustness.report.command:report",
    "schema": "pytest_robustness.report.command:schema",
    "select": "pytest_robustness.evaluate.select:main",
}
USAGE_ERROR = 4  # as pytest's


def main(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        print(f"usage: python -m pytest_robustness {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 0 if name in ("-h", "--help") else USAGE_ERROR
    module, _, function = COMMANDS[name].partition(":")
    command: Callable[[Sequence[str]], int] = getattr(import_module(module), function)
    try:
        return command(arguments[1:])
    except RobustnessError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m pytest_robustness COMMAND``: what is done without running tests."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

#: Each command's function, called with the arguments that follow its name.
COMMANDS = {
    "report": "pytest_robustness.report.command:report",
    "schema": "pytest_robustness.report.command:schema",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pytest_robustness")
    parser.add_argument("command", choices=COMMANDS)
    options = parser.parse_args(sys.argv[1:2])
    module, _, function = COMMANDS[options.command].partition(":")
    getattr(import_module(module), function)(sys.argv[2:])


if __name__ == "__main__":
    main()

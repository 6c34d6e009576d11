"""Run a command: ``python -m pytest_robustness COMMAND``."""

import sys

from pytest_robustness.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

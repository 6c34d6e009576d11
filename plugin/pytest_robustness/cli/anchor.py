"""Record a suite's baselines and rules as the anchor of later runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("suite", type=Path, help="TOML file")
    parser.add_argument("folder", type=Path, help="of anchors; --robustness-anchor or the ini file names it")
    parser.add_argument("--baselines", type=Path, default=Path("baselines"), help="(default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Write the anchor and say how many cases it holds."""
    from pytest_robustness.gate.anchor import Anchor
    from pytest_robustness.gate.store import BaselineStore
    from pytest_robustness.suite.load import load_suite

    suite = load_suite(options.suite)
    if real(options.folder).is_relative_to(real(options.baselines)):
        where = f"{options.folder} lies in {options.baselines}, where the baselines are"
        raise RobustnessError(f"{where}: an anchor is held against them, so give it a folder of its own")
    count = Anchor(options.folder, suite).record(BaselineStore(options.baselines, suite.name))
    print(f"anchor of {suite.name} in {options.folder / suite.name}: {count} cases and the rules")
    return 0

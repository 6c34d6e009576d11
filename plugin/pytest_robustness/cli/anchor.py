"""Record a suite's baselines and rules as the anchor of later runs."""

from __future__ import annotations

import argparse
from pathlib import Path


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
    count = Anchor(options.folder, suite).record(BaselineStore(options.baselines, suite.name))
    print(f"anchor of {suite.name} in {options.folder / suite.name}: {count} cases and the rules")
    return 0

"""Print the JSON Schema of --robustness-json."""

from __future__ import annotations

import argparse
import json


def add(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    from pytest_robustness.report.data import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0

"""The options of a run: what is measured, what it is judged by, and what is recorded."""

from __future__ import annotations

import pytest

from pytest_robustness.plugin.suite_paths import DEFAULT_SUITE

SHARD = "--robustness-shard"


def add_options(parser: pytest.Parser) -> None:
    """Declare what a run takes from the command line and from pytest's settings, but for outputs and engines."""
    group = parser.getgroup("robustness", "adversarial robustness of image classifiers")
    group.addoption(
        "--robustness-suite",
        metavar="SUITE",
        action="append",
        help="suite: a TOML file, or the name of one; repeatable: cases of several run together",
    )
    group.addoption(
        "--candidate",
        metavar="MODEL=OTHER",
        action="append",
        help="judge OTHER, a model of the suite or package.module:factory[@weights], by MODEL's baselines",
    )
    group.addoption("--update-baselines", action="store_true", help="record what this run measures; exits 0")
    group.addoption(
        "--update-baselines-missing", action="store_true", help="run and record only the cases that have no baseline"
    )
    group.addoption(
        "--update-baselines-in-ci",
        action="store_true",
        help="allow updating although the environment variable CI is set",
    )
    group.addoption(
        "--prune-baselines", action="store_true", help="delete baselines of cases that are no longer in the suite"
    )
    group.addoption(
        "--accept-removed-images",
        action="store_true",
        help="judge and record although images of the baselines are missing from the suite's; what is recorded says so",
    )
    group.addoption(
        "--accept-suspicious",
        action="store_true",
        help="record values that a failed masking check makes doubtful; what is recorded says so",
    )
    group.addoption(
        "--robustness-changed",
        action="store_true",
        help="measure only what may differ from its baseline: model, protocol, attack, torch or kind of device",
    )
    group.addoption(
        "--robustness-images",
        metavar="DIR",
        help="folder of the suite's photographs; default: the variable PYTEST_ROBUSTNESS_IMAGES, then the suite's own",
    )
    group.addoption(
        "--robustness-limit",
        metavar="N",
        type=int,
        help="a trial: attack N images only and tell how long all would take; nothing is judged or recorded",
    )
    group.addoption(
        "--robustness-anchor",
        metavar="DIR|git:REVISION",
        help="a release's baselines and rules, which every case is also judged by: a folder of anchors, or a revision",
    )
    group.addoption(
        SHARD,
        metavar="I/N",
        action="append",
        help="measure the I-th of N shards of this run and judge nothing; --robustness-json names its file, for "
        "python -m pytest_robustness merge",
    )
    about = f"suite: a TOML file, or several, one a line; default: {DEFAULT_SUITE} beside this file"
    parser.addini("robustness_suite", about, default="")
    parser.addini("robustness_baselines", "folder of the baselines, relative to rootdir", default="baselines")
    parser.addini("robustness_anchor", "folder of anchors, relative to rootdir, or git:REVISION", default="")


def once(config: pytest.Config, option: str) -> str | None:
    """Return the value of an option. Raise UsageError when it is given twice: the first would be dropped silently."""
    given: list[str] = config.getoption(option) or []
    if len(given) > 1:
        raise pytest.UsageError(f"{option}: given {len(given)} times ({', '.join(given)}): give one")
    return given[0] if given else None

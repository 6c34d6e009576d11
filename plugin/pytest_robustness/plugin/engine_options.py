"""The option that has cases measured by an engine."""

from __future__ import annotations

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.options import once

OPTION = "--robustness-engine"


def add_options(parser: pytest.Parser) -> None:
    parser.getgroup("robustness").addoption(
        OPTION,
        metavar="ENGINE",
        action="append",
        help="measure on a cluster: ray (of RAY_ADDRESS, or running here), ray://HOST:PORT, local (Ray on this machine "
        "alone), or an engine of another package",
    )


def wanted_engine(config: pytest.Config) -> str | None:
    """Return the engine that is asked for. Returns None when there is none.

    Raises UsageError for one that is not known, and for options that cannot be combined with it.
    """
    name = once(config, OPTION)
    if name is None or hasattr(config, "workerinput"):
        return None
    from pytest_robustness.execute.engines import check_name

    try:
        check_name(name)
    except RobustnessError as error:
        raise pytest.UsageError(f"{OPTION}: {error}") from None
    if config.getoption("dist", "no") != "no" or config.getoption("numprocesses", None):
        why = "with an engine pytest is one process, and the engine's workers attack"
        raise pytest.UsageError(f"{OPTION} and -n cannot be combined: {why}; leave -n out")
    if config.getoption("robustness_limit"):
        raise pytest.UsageError(f"{OPTION} and --robustness-limit cannot be combined: a trial is of this machine")
    if config.getoption("robustness_shard", None):
        raise pytest.UsageError(f"{OPTION} and --robustness-shard cannot be combined: an engine deals the work itself")
    return name

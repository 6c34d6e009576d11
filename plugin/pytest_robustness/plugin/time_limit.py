"""Time limits of cases: a process whose case exceeds its suite's limit ends itself, and the controller says why."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import time
from collections.abc import Generator

import pytest

from pytest_robustness.plugin.collection import case_of
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.suites import Suites


class TimeLimit:
    """Ends this process once a case takes longer than the suite allows, and says on stderr where it was.

    It does so from a C thread, which a call that never returns and holds Python's lock cannot stop. Other workers go
    on; without workers the run ends.
    """

    def __init__(self, suites: Suites) -> None:
        self._suites = suites
        self._stderr = _duplicate(2)  # duplicated now, as it is captured while tests run

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Limit the time from the first fixture of a case to its last."""
        label = case_of(item)
        limit = None if label is None else self._suites.of(label)[0].suite.timeout
        if limit is None:
            return (yield)
        faulthandler.dump_traceback_later(limit, exit=True, file=self._stderr or 2)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def pytest_unconfigure(self) -> None:
        """Close what was opened."""
        if self._stderr is not None:
            os.close(self._stderr)
            self._stderr = None


class Durations:
    """Knows, on the controller, how long the tests that run have taken."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def start(self, nodeid: str) -> None:
        """Note that a test begins."""
        self._started[nodeid] = time.monotonic()

    def exceeded(self, nodeid: str, settings: Settings) -> str | None:
        """Say that a test that never came back had taken longer than its suite allows. Returns None when it had not."""
        limit, started = settings.suite.timeout, self._started.get(nodeid)
        if limit is None or started is None or time.monotonic() - started < limit:
            return None
        return f"timed out: its suite's timeout is {limit:g} s, so its worker was ended; where it was is on stderr"


def _duplicate(descriptor: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.dup(descriptor)
    return None

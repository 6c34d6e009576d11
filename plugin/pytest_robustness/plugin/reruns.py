"""Tests that another plugin runs again because they failed: only the last attempt counts."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_robustness.plugin.recorder import without_properties

#: What pytest-rerunfailures calls the outcome of an attempt that is followed by another.
RERUN = "rerun"
#: A key that the further information of no other benchmark has.
OURS = "success_rate"


class Reruns:
    """Takes back what an earlier attempt left for JUnit's XML, which adds up what it is told of a test."""

    def __init__(self) -> None:
        self._again: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == RERUN:
            self._again.add(report.nodeid)
        if report.nodeid in self._again:
            report.user_properties = without_properties(report.user_properties)
        if report.when == "teardown":
            self._again.discard(report.nodeid)


class BenchmarkReruns:
    """Takes back the rows that earlier attempts left for pytest-benchmark."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Drop the rows of earlier attempts before anything is written or compared."""
        found = session.config._benchmarksession.benchmarks  # type: ignore[attr-defined]
        last = {one.fullname: one for one in found}
        found[:] = [one for one in found if OURS not in one.extra_info or last[one.fullname] is one]
        return (yield)

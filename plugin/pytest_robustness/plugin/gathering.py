"""Takes what the tests report, and gives each case's to the controller of its suite."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_robustness.plugin.collection import case_named
from pytest_robustness.plugin.controller import Controller
from pytest_robustness.plugin.recorder import CASE_ATTRIBUTE, RESULT_ATTRIBUTE
from pytest_robustness.plugin.suites import Suites
from pytest_robustness.plugin.time_limit import Durations


class Gathering:
    """Gives out results, on the controller or in a single process.

    Args:
        suites: the session's suites.
        controllers: one of each suite, in their order.
    """

    def __init__(self, suites: Suites, controllers: Sequence[Controller]) -> None:
        self.suites = suites
        self.controllers = dict(zip((settings.prefix for settings in suites), controllers, strict=True))
        self._durations = Durations()
        lists = controllers[0].image_lists
        for controller in controllers:  # all have the same: a process sends each list once, whoever needs it
            controller.image_lists = lists

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._durations.start(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        crashed = report.when not in ("setup", "call", "teardown")  # xdist's report of a dead worker
        # of a test whose worker died only the id is known
        label = case_named(report.nodeid, self.suites.cases()) if crashed else report.__dict__.pop(CASE_ATTRIBUTE, None)
        text = report.__dict__.pop(RESULT_ATTRIBUTE, None)
        if label is None:
            return
        settings, case = self.suites.of(label)
        if crashed and (late := self._durations.exceeded(report.nodeid, settings)):
            report.longrepr = f"{case}: {late}"
        self.controllers[settings.prefix].take(case, report, text, crashed=crashed)

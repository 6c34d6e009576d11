"""Sends what a test found to the controller, with the test's report."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import pytest

from pytest_robustness.gate.metrics import extra_values
from pytest_robustness.plugin.collection import case_of
from pytest_robustness.plugin.stash import LISTS, RESULT
from pytest_robustness.records.result import Result

#: Attributes of a TestReport. They hold strings, which can be sent from any worker; the result is JSON.
CASE_ATTRIBUTE, RESULT_ATTRIBUTE = "_robustness_case", "_robustness_result"


#: Begins the names of properties in JUnit's XML.
PREFIX = "robustness_"


def properties(result: Result) -> list[tuple[str, object]]:
    """Return what JUnit's XML says of a case. Values that the case does not have are left out."""
    rates = result.measurement.aggregates
    values = {
        "verdict": str(result.verdict.status),  # an enum cannot be sent
        "success_rate": rates.success_rate if result.measurement.has_success_rate else None,
        "distance": rates.distance,
        "noise_rate": rates.noise_rate,
        "effort": rates.effort,
        "forwards": rates.forwards,
        "gradients": rates.gradients,
        "gradient_units": result.measurement.gradient_units,
        "clean_accuracy": rates.clean_accuracy,
    }
    more = {name.replace(" ", "_"): value for name, value in extra_values(result.measurement).items()}
    return [(f"{PREFIX}{name}", value) for name, value in {**values, **more}.items() if value is not None]


def without_properties(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return the properties that are not of a case."""
    return [one for one in properties if not one[0].startswith(PREFIX)]


#: The fixture of a test that is to check its case.
ASKING = "robustness"
NEVER_CHECKED = f"never checked: the test passed without a call of {ASKING}.check()"


class Recorder:
    """Puts the case on a test's reports, and the result on that of the call. It works where tests run.

    The first results of a process bring the lists of their images. A list that was sent is not sent again.
    """

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[LISTS] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        case = case_of(item)
        if case is not None:
            setattr(report, CASE_ATTRIBUTE, case)
        if call.when == "call" and RESULT in item.stash:
            setattr(report, RESULT_ATTRIBUTE, item.stash[RESULT])
            brought: set[str] = item.stash[LISTS]
            item.config.stash[LISTS].update(brought)
        elif call.when == "call" and report.passed and case is not None and ASKING in getattr(item, "fixturenames", ()):
            report.outcome = "failed"  # a test may only pass when its case was judged
            report.longrepr = f"{case}: {NEVER_CHECKED}"
        return report

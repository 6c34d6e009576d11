"""What a test found rides its report to the controller."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import pytest

from pytest_robustness.gate.metrics import extra_values
from pytest_robustness.plugin.collection import case_of
from pytest_robustness.plugin.stash import LISTS, RESULT
from pytest_robustness.records.result import Result

#: Of a TestReport: strings, so that they can be sent from any worker. The result is JSON.
CASE_ATTRIBUTE, RESULT_ATTRIBUTE = "_robustness_case", "_robustness_result"


#: Of properties in JUnit's XML.
PREFIX = "robustness_"


def properties(result: Result) -> list[tuple[str, object]]:
    """What JUnit's XML says of a case; values that there are none of are left out."""
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
    """Return those that are not of a case."""
    return [one for one in properties if not one[0].startswith(PREFIX)]


#: The fixture of a test that is to check its case.
ASKING = "robustness"
NEVER_CHECKED = f"never checked: the test passed without a call of {ASKING}.check()"


class Recorder:
    """Where tests run: puts the case on its reports, and the result on that of the call.

    The first results of a process bring the lists of their images along; once a report has a list, others need not.
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
            report.outcome = "failed"  # green means judged
            report.longrepr = f"{case}: {NEVER_CHECKED}"
        return report

"""Turns the cases of the suite into tests."""

from __future__ import annotations

import contextlib
from collections.abc import Container
from typing import Any

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.suites import Suites
from pytest_robustness.suite.attack import ON_REQUEST
from pytest_robustness.suite.suite import Case

PARAMETER = "robustness_case"


class Collection:
    def __init__(self, suites: Suites) -> None:
        self.suites = suites

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the suite's groups as markers, for ``-m``."""
        config.addinivalue_line("markers", f"{ON_REQUEST}: robustness cases that run only under -m {ON_REQUEST}")
        with contextlib.suppress(RobustnessError):  # reported when the session starts
            for settings in self.suites:
                for group, models in settings.suite.groups.items():
                    config.addinivalue_line("markers", f"{group}: robustness cases of {', '.join(models)}")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if PARAMETER in metafunc.fixturenames:
            try:
                cases = [_parameter(label, case) for label, (_, case) in self.suites.cases().items()]
            except RobustnessError as error:
                raise pytest.Collector.CollectError(str(error)) from None
            metafunc.parametrize(PARAMETER, cases)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if not self._wanted(config, item)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]

    def _wanted(self, config: pytest.Config, item: pytest.Item) -> bool:
        case = case_of(item)
        if case is None:
            return True
        if item.get_closest_marker(ON_REQUEST) and ON_REQUEST not in config.option.markexpr:
            named = any(argument.endswith(f"[{case}]") for argument in config.args)
            return named and not self._recorded(case)
        return not self._recorded(case)

    def _recorded(self, case: str) -> bool:
        settings, own = self.suites.of(case)
        return settings.recording == "missing" and settings.store.path(own).exists()


def _parameter(label: str, case: Case) -> Any:
    markers = [*case.groups, *([ON_REQUEST] if case.attack.on_request else [])]
    return pytest.param(label, marks=[getattr(pytest.mark, marker) for marker in markers])


def case_of(item: pytest.Item) -> str | None:
    """Return the label of the case that a test is about. Returns None when it is about none."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(PARAMETER) if callspec is not None else None


def case_named(nodeid: str, cases: Container[str]) -> str | None:
    """Return which of these labels of cases a test's id names. Returns None when it names none.

    The process that hands tests to workers knows nothing but their ids.
    """
    case = nodeid.rpartition("[")[2].removesuffix("]")
    return case if case in cases else None

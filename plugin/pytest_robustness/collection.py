"""The cases of the suite become tests."""

from __future__ import annotations

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.settings import Settings

PARAMETER = "robustness_case"


class Collection:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if PARAMETER in metafunc.fixturenames:
            try:
                cases = [case.id for case in self.settings.suite.cases()]
            except RobustnessError as error:
                raise pytest.Collector.CollectError(str(error)) from None
            metafunc.parametrize(PARAMETER, cases)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self.settings.recording != "missing" or self.settings.suite_path is None:
            return
        recorded = [item for item in items if (case := case_of(item)) and self.settings.store.path(case).exists()]
        if recorded:
            config.hook.pytest_deselected(items=recorded)
            items[:] = [item for item in items if item not in recorded]


def case_of(item: pytest.Item) -> str | None:
    """The case a test is about, if any."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(PARAMETER) if callspec is not None else None

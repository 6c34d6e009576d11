"""Health checks as tests: one for each model of the suite, and one that takes longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.lost_device import failing
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.suites import SUITES, Suites

if TYPE_CHECKING:
    from pytest_robustness.evaluate.health import Level
    from pytest_robustness.evaluate.runtime.devices import Device

PARAMETER = "robustness_model"
#: The marker of the checks that take minutes. They are left out unless ``-m`` mentions it.
HEAVY = "robustness_heavy"


class HealthChecks:
    def __init__(self, suites: Suites) -> None:
        self.suites = suites

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{HEAVY}: health checks that take minutes; -m {HEAVY} runs them")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if PARAMETER in metafunc.fixturenames:
            try:
                models = [
                    _parameter(settings, model, level)
                    for settings in self.suites
                    for model in settings.suite.models
                    for level in ("cheap", "heavy")
                ]
            except RobustnessError as error:
                raise pytest.Collector.CollectError(str(error)) from None
            metafunc.parametrize(PARAMETER, models)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if HEAVY in config.getoption("markexpr"):
            return
        heavy = [item for item in items if item.get_closest_marker(HEAVY)]
        if heavy:
            config.hook.pytest_deselected(items=heavy)
            items[:] = [item for item in items if item not in heavy]

    @pytest.fixture
    def robustness_health(
        self, request: pytest.FixtureRequest, robustness_model: tuple[str, Level], robustness_device: Device
    ) -> Health:
        """Whether attacks on a model can be believed: ``robustness_health.check()``, once for each model."""
        return Health(request, *robustness_model, robustness_device)


def _parameter(settings: Settings, model: str, level: Level) -> Any:
    names = [group for group, members in settings.suite.groups.items() if model in members]
    marks = [getattr(pytest.mark, name) for name in (*names, *([HEAVY] if level == "heavy" else []))]
    label = settings.label(model)
    return pytest.param((label, level), id=label if level == "cheap" else f"{label}-{level}", marks=marks)


class Health:
    """Runs the checks of one model, as a test sees them."""

    def __init__(self, request: pytest.FixtureRequest, label: str, level: Level, device: Device) -> None:
        self._item: pytest.Item = request.node
        self._settings, self._model = request.config.stash[SUITES].of(label)
        self._level, self._device = level, device

    def check(self) -> None:
        """Print what each check finds; fail the test when something looks like robustness and is none."""
        __tracebackhide__ = True
        from pytest_robustness.evaluate.health import examine

        with failing(self._item, self._model):
            findings = examine(self._settings.suite, self._model, device=self._device, level=self._level)
        for finding in findings:
            print(f"{self._model}: {'ok' if finding.passed else 'FAILED'} {finding}")
        failed = [f"{self._model}: {finding}" for finding in findings if not finding.passed]
        if failed:
            pytest.fail("\n".join(failed), pytrace=False)

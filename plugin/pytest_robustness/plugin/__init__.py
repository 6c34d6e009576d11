"""The plugin's entry point: options, and one small class for each role that a process can have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.extensions import extensions
from pytest_robustness.plugin import engine_options, hooks, loggers, outputs
from pytest_robustness.plugin.options import add_options
from pytest_robustness.plugin.settings import Settings, check_ci
from pytest_robustness.plugin.stash import OUTPUTS
from pytest_robustness.plugin.suites import SUITES, Suites

if TYPE_CHECKING:
    from pytest_robustness.evaluate.runtime.devices import Device
    from pytest_robustness.plugin.controller import Controller


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)
    outputs.add_options(parser)
    loggers.add_options(parser)
    engine_options.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    suites = config.stash[SUITES] = Suites(Settings.all_of(config))
    wanted = config.stash[OUTPUTS] = outputs.OutputOptions.of(config)
    worker = hasattr(config, "workerinput")
    manager = config.pluginmanager
    first = suites.each[0]
    if not worker:
        check_ci(config, first)
        wanted.check_distinct(suites)
        for settings in suites:
            wanted.of_suite(settings).check(settings)
        loggers.register(config, first)
    if first.suite_path is None:
        manager.register(NoSuite(first), "robustness-no-suite")
        return

    from pytest_robustness.plugin import (
        benchmark,
        collection,
        fixtures,
        health,
        lost_device,
        progress,
        recorder,
        time_limit,
    )

    manager.register(collection.Collection(suites), "robustness-collection")
    manager.register(fixtures, "robustness-fixtures")
    manager.register(health.HealthChecks(suites), "robustness-health")
    manager.register(lost_device.LostDevice(worker=worker), "robustness-lost-device")
    manager.register(recorder.Recorder(), "robustness-recorder")
    engine = engine_options.wanted_engine(config)
    if engine is None:  # its tasks have the limit, and tests wait until it is their turn
        manager.register(time_limit.TimeLimit(suites), "robustness-time-limit")
    benchmark.register(config, worker=worker)
    progress.register(config, worker=worker)
    if first.shard is not None:
        from pytest_robustness.plugin import shards

        manager.register(shards.Planning(first, first.shard), "robustness-planning")
    if not worker:
        from pytest_robustness.plugin import gathering, reruns, termination

        controllers = [_register_suite(config, settings, wanted.of_suite(settings)) for settings in suites]
        manager.register(gathering.Gathering(suites, controllers), "robustness-gathering")
        if engine is not None:
            from pytest_robustness.plugin.engine import EngineRun

            manager.register(EngineRun(first, engine, controllers[0]), "robustness-engine")
        manager.register(reruns.Reruns(), "robustness-reruns")
        manager.register(termination.Termination(config), "robustness-termination")
        if manager.hasplugin("xdist"):
            from pytest_robustness.plugin.xdist import workers

            manager.register(workers.Distribution(suites), "robustness-distribution")


def _register_suite(config: pytest.Config, settings: Settings, wanted: outputs.OutputOptions) -> Controller:
    """Register the roles that a suite has in the process that gathers, and return its controller."""
    from pytest_robustness.plugin import controller, preflight, reporter, shards

    manager, name = config.pluginmanager, settings.prefix.removesuffix(":")
    named = f"-{name}" if name else ""
    if settings.shard is None:
        gathered = controller.Controller(config, settings)
        manager.register(reporter.Reporter(config, wanted, gathered), f"robustness-reporter{named}")
    else:
        gathered = shards.ShardController(config, settings, settings.shard)
    manager.register(gathered, f"robustness-controller{named}")
    manager.register(preflight.Preflight(settings), f"robustness-prerequisites{named}")
    if wanted.run is not None:
        from pytest_robustness.plugin import run_output

        manager.register(run_output.RunOutput(config, wanted.run, gathered), f"robustness-run{named}")
    return gathered


@pytest.fixture(scope="session")
def robustness_device() -> Device:
    """The device attacks run on: this worker's GPU, else the CPU. Override it to choose another."""
    from pytest_robustness.evaluate.runtime import devices

    device = devices.pick_device()
    devices.prepare_device(device, workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    return device


class NoSuite:
    """Tells a test that asks for a case that there is no suite. Without one nothing but options is loaded."""

    ASKING = frozenset({"robustness", "robustness_case", "robustness_health", "robustness_model"})

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if self.ASKING.intersection(metafunc.fixturenames):
            raise pytest.Collector.CollectError(self.settings.no_suite)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Raise UsageError for a broken suite, before any worker starts."""
    suites, wanted = session.config.stash[SUITES], session.config.stash[OUTPUTS]
    if suites.each[0].suite_path is None:
        return
    for settings in suites:
        try:
            wanted.of_suite(settings).check_suite(settings)
        except RobustnessError as error:
            its_own = str(error).startswith(str(settings.suite_path))
            raise pytest.UsageError(f"{error}{settings.why_read if its_own else ''}") from None
    try:
        wanted.check_galleries(suites)
        _check_extensions()
    except RobustnessError as error:
        raise pytest.UsageError(str(error)) from None


def _check_extensions() -> None:
    """Raise RobustnessError, before anything runs, where a metric or format of another package cannot be used."""
    from pytest_robustness.gate.metrics import extra_metrics

    extra_metrics()
    extensions("formats")

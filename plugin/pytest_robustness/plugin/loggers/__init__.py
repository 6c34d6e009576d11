"""Sends what a run found to where runs are tracked, for --robustness-log. A logger never changes a verdict."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.errors import encodable
from pytest_robustness.plugin.settings import Settings

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report

OPTION = "--robustness-log"
#: What can be named: a module here, which has a function ``log``, and the package it needs, all of the same name.
LOGGERS = ("mlflow", "wandb")
#: The most characters of an error that are shown.
LENGTH = 300


def add_options(parser: pytest.Parser) -> None:
    parser.getgroup("robustness").addoption(
        OPTION,
        metavar="|".join(LOGGERS),
        choices=LOGGERS,
        action="append",
        default=[],
        help="log what this run found to the active or a new run of MLflow or Weights & Biases; repeatable",
    )


def register(config: pytest.Config, settings: Settings) -> None:
    """Register the loggers that were asked for. Raise UsageError, before anything runs, when one could not work."""
    for name in dict.fromkeys(config.getoption(OPTION)):
        if settings.suite_path is None:
            raise pytest.UsageError(f"{OPTION}: no suite to report on: name one by --robustness-suite")
        if find_spec(name) is None:
            raise pytest.UsageError(f"{OPTION} {name}: not installed: pip install 'pytest-robustness[{name}]'")
        config.pluginmanager.register(Logger(name), f"robustness-{name}")


class Logger:
    """Sends a report after the run's summary was written, so that a server that is slow delays no verdict."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.report: Report | None = None

    def pytest_robustness_report(self, report: Report) -> None:
        self.report = report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        try:
            return (yield)
        finally:
            if (said := self._send()) is not None:
                terminalreporter.write_line(said)

    def pytest_unconfigure(self) -> None:
        """Send where there was no summary, as under -p no:terminal."""
        self._send()

    def _send(self) -> str | None:
        """Send the report if that was not done, and return what became of it in one line."""
        from pytest_robustness.plugin.loggers import values

        report, self.report = self.report, None
        if report is None:
            return None
        if not values.metrics(report):
            return f"{self.name}: nothing was logged: nothing was measured and judged"
        try:
            with TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):  # theirs, of no use here
                log = import_module(f"{__name__}.{self.name}").log
                return encodable(f"{self.name}: logged to {log(report, values.files(report, Path(folder)))}")
        except Exception as error:  # of a server, a library or a file: none of them is the model's fault
            said = " ".join(f"{type(error).__name__}: {error}".split())[:LENGTH]
            return encodable(f"{self.name}: not everything was logged, which changes no verdict: {said}")

"""Runs whose cases are measured by an engine: pytest is one process, whose tests await and judge."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.collection import case_of
from pytest_robustness.plugin.controller import Controller
from pytest_robustness.plugin.engine_options import OPTION
from pytest_robustness.plugin.progress import Progress
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.stash import MEASURING

if TYPE_CHECKING:
    from pytest_robustness.execute.engine import Engine


class EngineRun:
    """Submits all selected cases when collection has ended, and ends what is left when the run ends."""

    def __init__(self, settings: Settings, name: str, gathered: Controller) -> None:
        self.settings, self.name, self.gathered = settings, name, gathered
        self.engine: Engine | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        cases = dict.fromkeys(case for item in session.items if (case := case_of(item)) is not None)
        if not cases or session.config.option.collectonly:
            return
        from pytest_robustness.execute.case import Request
        from pytest_robustness.execute.engine import Wanted
        from pytest_robustness.execute.engines import open_engine
        from pytest_robustness.execute.remote import Asked, Remote

        progress: Progress = session.config.pluginmanager.getplugin(Progress.NAME)
        remote = Remote(progress.leave)
        suite = self.settings.suite
        request = Request(changed_only=self.settings.changed_only, recording=self.settings.recording != "none")
        try:
            asked = []
            for case in cases:
                with contextlib.suppress(RobustnessError):  # its test says so
                    asked.append(Asked(suite.case(case), self.settings.store.read(case), request))
            wanted = Wanted(self.name, suite.engine, suite.timeout, remote.progress if progress.shown else None)
            self.engine = open_engine(wanted)
            remote.submit(self.engine, asked)
        except RobustnessError as error:
            self._end()
            raise pytest.UsageError(f"{OPTION} {error}") from None
        session.config.stash[MEASURING] = remote

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        """End what waits and what runs, before the summary is written."""
        self._end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if self.engine is not None and (note := self.engine.note()):
            self.gathered.notes.append(note)
        self._end()

    def pytest_unconfigure(self) -> None:
        self._end()

    def _end(self) -> None:
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.shutdown(cancel_futures=True)

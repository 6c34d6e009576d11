"""Checks that this machine has what a run needs, and otherwise says in one line what it lacks, before the run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images import folders
from pytest_robustness.plugin.collection import case_named, case_of
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.records.case_id import CaseId


class Preflight:
    """Looks for photographs at the start, and after collection for the weights of the models that run.

    It works on the controller, or in a single process.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if session.config.option.collectonly:
            return
        if self.settings.recording != "none" or self.settings.prune:
            try:
                self.settings.store.check_lock()
            except RobustnessError as error:
                raise pytest.UsageError(str(error)) from None
        try:
            problem = folders.problem(self.settings.suite.images, self._select)
        except RobustnessError as error:
            problem = str(error)
        if problem:
            raise pytest.UsageError(f"{self.settings.suite_path}: images: {problem}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not session.config.option.collectonly:
            self._check_weights(map(case_of, session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        known = {self.settings.label(case.id) for case in self.settings.suite.cases()}
        self._check_weights(case_named(nodeid, known) for nodeid in ids)

    def _check_weights(self, labels: Iterable[str | None]) -> None:
        cases = filter(None, (label and self.settings.own(label) for label in labels))
        models = list(dict.fromkeys(CaseId(case).model for case in cases))
        if not any(self._from_hub(model) for model in models):
            return  # import no library without need
        from pytest_robustness.evaluate.models.libraries.hub import missing
        from pytest_robustness.evaluate.models.sources import missing_weights

        suite = self.settings.suite
        try:
            absent = [(remote, remote.problem()) for remote in missing_weights(suite, models)]
        except RobustnessError as error:
            raise pytest.UsageError(str(error)) from None
        reason = next((problem for _, problem in absent if problem), None)
        if reason:
            lacking = [remote for remote, problem in absent if problem]
            raise pytest.UsageError(f"{suite.path}: weights: {missing(lacking, suite.weights, reason)}")

    def _from_hub(self, name: str) -> bool:
        model = self.settings.suite.models[name]
        return model.library is not None and isinstance(model.weights, str)

    @property
    def _select(self) -> str:
        """Return the command that chooses the suite's images."""
        assert self.settings.suite_path is not None
        path = Path(os.path.relpath(self.settings.suite_path, self.settings.invocation)).as_posix()
        return shlex.join(["python", "-m", "pytest_robustness", "select", path])

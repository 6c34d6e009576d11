"""Decides which worker runs which case, and when. No other module imports xdist."""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import chain, groupby
from typing import Any

import pytest
from xdist.scheduler import LoadScheduling

from pytest_robustness.plugin.collection import case_named
from pytest_robustness.records.case_id import CaseId


class ModelScheduling(LoadScheduling):
    """Sends whole models to workers, the longest first. A run without cases gets xdist's load scheduling.

    A worker gets the next model when it has fewer than two tests left: it starts a test only once it knows the next.
    When models are fewer than workers, cases are dealt one by one. Other tests come after the cases, one by one.

    Args:
        seconds: what each case of the suite took when its baseline was recorded. A case of which it is None, because it
            is not known, comes early.
        ended: workers that end by themselves after a test, having reported it.
    """

    collection: list[str] | None

    def __init__(
        self, config: pytest.Config, log: Any, seconds: Mapping[str, float | None], ended: Container[Any] = ()
    ) -> None:
        super().__init__(config, log)
        self.seconds, self.ended = seconds, ended
        self.chunks: list[str | int] = []  # the unit of each test, by its index in the collection; a unit is sent whole

    def schedule(self) -> None:
        """Deal the first units, so that every worker has one before any has two."""
        collection = next(iter(self.node2collection.values()))
        cases = [case_named(nodeid, self.seconds) for nodeid in collection]
        if self.collection is None and any(cases):
            if not self._check_nodes_have_same_collection():
                return
            self.collection = collection
            self.chunks, self.pending = self._planned(cases)
            for enough in (1, 2):
                for node in self.nodes:
                    self._fill(node, enough)
        super().schedule()

    def check_schedule(self, node: Any, duration: float = 0) -> None:
        if not self.chunks:
            super().check_schedule(node, duration)
        elif not node.shutting_down:
            self._fill(node, enough=2)
            if not self.pending:
                node.shutdown()

    def remove_node(self, node: Any) -> str | None:
        """Return the test that a dead worker was running. The rest of its tests wait for another worker.

        Returns None when that test is reported already.
        """
        running: str | None = super().remove_node(node)
        return None if node in self.ended else running

    def _planned(self, cases: list[str | None]) -> tuple[list[str | int], list[int]]:
        """Return the unit of each test, and the order in which tests are sent."""
        models = [case and CaseId(case).model for case in cases]
        whole = len(set(filter(None, models))) >= len(self.nodes)
        chunks = [chunk or index for index, chunk in enumerate(models if whole else cases)]
        tests: dict[str | int, list[int]] = {}
        for index, chunk in enumerate(chunks):
            tests.setdefault(chunk, []).append(index)
        longest_first = sorted(tests.values(), key=lambda chunk: -sum(self._expected(cases[index]) for index in chunk))
        return chunks, list(chain(*longest_first))

    def _expected(self, case: str | None) -> float:
        if case is None:
            return 0.0
        seconds = self.seconds[case]
        return float("inf") if seconds is None else seconds

    def _fill(self, node: Any, enough: int) -> None:
        while self.pending and len(self.node2pending[node]) < enough:
            _, chunk = next(groupby(self.pending, key=self.chunks.__getitem__))
            self._send_tests(node, len(list(chunk)))

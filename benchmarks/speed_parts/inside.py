"""A pytest plugin that tells where the CPU time of a run in one process goes: ``-p speed_parts.inside``.

It writes JSON to the file named by ``SPEED_INSIDE``: CPU seconds of each part, without the parts inside it.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FILE, STARTED = "SPEED_INSIDE", "SPEED_STARTED"

START = "start of pytest, collection, imports"
GATE = "plugin, records, gate, benchmark bridge"
EVALUATE = "the rest of evaluate"

ATTACKS, AFTER = "attacks, with a look at each answer", "checks of the answers"

#: What is timed: part, module, attribute.
PARTS = (
    (EVALUATE, "execute.case", "evaluate"),
    ("models loaded", "evaluate.loaded", "load_model"),
    ("models borrowed and given back", "evaluate.models.classifier", "Classifier.__enter__"),
    ("models borrowed and given back", "evaluate.models.classifier", "Classifier.__exit__"),
    ("weights' digests", "evaluate.measure", "state_digest"),
    ("code's digests and architectures", "evaluate.measure", "identity"),
    ("row floors", "evaluate.measure", "find_row_floor"),
    ("clean images", "evaluate.measure", "answers"),
    (ATTACKS, "evaluate.row_rounds", "RowRound.__call__"),
    (ATTACKS, "evaluate.batch_rounds", "BatchRound.__call__"),
    (AFTER, "evaluate.row_rounds", "RowRound.after"),
    (AFTER, "evaluate.batch_rounds", "BatchRound.after"),
    ("noise rates", "evaluate.rounds", "noise_rate"),
    ("evidence", "evaluate.measure", "evidence_of"),
    ("evidence", "evaluate.measure", "merge"),
)
EVALUATES = tuple(dict.fromkeys(part for part, *_ in PARTS))


class Clock:
    """CPU time of nested parts, each without those inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.open = [START]
        self.since = 0.0  # of a process' CPU time

    def switch(self) -> None:
        now = time.process_time()
        self.seconds[self.open[-1]] = self.seconds.get(self.open[-1], 0.0) + now - self.since
        self.since = now

    def wrapped(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            self.switch()
            self.open.append(part)
            try:
                return call(*arguments, **keywords)
            finally:
                self.switch()
                self.open.pop()

        return timed


clock = Clock()


def first_case() -> None:
    """From the first case on."""
    from pytest_robustness.plugin import benchmark

    for part, module_name, name in PARTS:
        owner: Any = import_module(f"pytest_robustness.{module_name}")
        *path, attribute = name.split(".")
        for step in path:
            owner = getattr(owner, step)
        setattr(owner, attribute, clock.wrapped(part, getattr(owner, attribute)))
    for rounds in (benchmark.BenchmarkedRounds, benchmark.DirectRounds):
        rounds.__call__ = clock.wrapped(GATE, rounds.__call__)  # type: ignore[method-assign]
    clock.switch()
    clock.open = [GATE]


def first_model() -> None:
    """Ends the run where the first case has what it needs: its model, its images and its attack are loaded."""
    loaded = import_module("pytest_robustness.evaluate.loaded")

    def stop(*_: object, **__: object) -> None:
        found = {"wall": time.time() - float(os.environ[STARTED])}
        Path(os.environ[FILE]).write_text(json.dumps(found), encoding="utf-8")
        os._exit(0)

    loaded.borrowed = stop


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    if clock.open == [START]:
        first_model() if STARTED in os.environ else first_case()
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    clock.switch()
    found = clock.seconds | {"torch": "torch" in sys.modules}
    Path(os.environ[FILE]).write_text(json.dumps(found), encoding="utf-8")

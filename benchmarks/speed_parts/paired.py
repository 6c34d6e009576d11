"""Process CPU time of several contestants, one after the other and again, so that all meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from speed_parts.contestants import Result, Run

#: CPU seconds that a turn takes at least: a case of as many batches as it needs.
TURN = 1.0


@dataclass(frozen=True)
class Timed:
    """CPU seconds of each turn, in the order of the turns, and what the last one achieved."""

    seconds: tuple[float, ...]
    result: Result


@dataclass(frozen=True)
class Ratio:
    """Of CPU times, pair by pair."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}, {self.most:.2f}]"


def alternating(runs: Mapping[str, Run], pairs: int, patience: float, floor: Run) -> dict[str, Timed]:
    """Each contestant once per turn, in turns, after one run each to warm up, which is not counted.

    The floor, the first contestant and the second take part in all ``pairs`` turns, a peer only until it has used up
    ``patience`` CPU seconds; one that does so while it warms up is timed by that.
    """
    every = {"floor": floor, **runs}
    kept = set(list(every)[:3])
    results: dict[str, Result] = {}
    seconds: dict[str, list[float]] = {}
    batches: dict[str, int] = {}
    used = dict.fromkeys(every, 0.0)
    for name, run in every.items():
        spent, results[name] = _timed(run, 1)
        batches[name] = max(1, round(TURN / max(spent, 1e-9)))
        early = spent > patience and name not in kept
        seconds[name], used[name] = ([spent], spent) if early else ([], 0.0)
    for _ in range(pairs):
        for name, run in every.items():
            if name in kept or used[name] <= patience:
                spent, results[name] = _timed(run, batches[name])
                seconds[name].append(spent)
                used[name] += spent * batches[name]
    return {name: Timed(tuple(spent), results[name]) for name, spent in seconds.items()}


def _timed(run: Run, batches: int) -> tuple[float, Result]:
    """CPU seconds a batch, and what the last one achieved."""
    started = time.process_time()
    result = run(batches)
    return (time.process_time() - started) / batches, result


def ratio(one: Timed, other: Timed) -> Ratio:
    """Of the turns that both took part in."""
    ratios = [a / b for a, b in zip(one.seconds, other.seconds, strict=False)]
    return Ratio(median(ratios), min(ratios), max(ratios))

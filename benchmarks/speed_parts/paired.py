"""Process CPU time of several contestants, one after the other and again, so that all meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from speed_parts.contestants import Result, Run

#: CPU seconds that a turn of the floor takes at least.
TURN = 0.5


@dataclass(frozen=True)
class Timed:
    """CPU seconds of each turn, in the order of the turns, and what the last one achieved."""

    seconds: tuple[float, ...]
    result: Result


@dataclass(frozen=True)
class Ratio:
    """Of CPU times, pair by pair: (median, least, most) and of how many pairs."""

    median: float
    least: float
    most: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}, {self.most:.2f}]"


def alternating(runs: Mapping[str, Run], pairs: int, patience: float, floor: Run) -> dict[str, Timed]:
    """Each contestant once per turn, in turns; one round to warm up that is not counted.

    The first two take part in every turn. A peer leaves when it has used up ``patience`` seconds; one that does so
    while it warms up is timed by that. What is fast is repeated until a turn can be timed on a machine that is not
    quiet.
    """
    every = {"floor": floor, **runs}
    seconds: dict[str, list[float]] = {name: [] for name in every}
    results: dict[str, Result] = {}
    kept = set(list(every)[:3])
    repeats = 1
    for turn in range(pairs + 1):
        for name, run in every.items():
            if name not in kept and sum(seconds[name]) > patience:
                continue
            started = time.process_time()
            for _ in range(repeats):
                results[name] = run()
            spent = (time.process_time() - started) / repeats
            if turn or spent > patience:
                seconds[name].append(spent)
            elif name == "floor":
                fastest = spent
        if not turn:
            repeats = max(1, round(TURN / max(fastest, 1e-9)))
    return {name: Timed(tuple(spent), results[name]) for name, spent in seconds.items()}


def ratio(one: Timed, other: Timed) -> Ratio:
    """Of the turns that both took part in."""
    ratios = [a / b for a, b in zip(one.seconds, other.seconds, strict=False)]
    return Ratio(median(ratios), min(ratios), max(ratios), len(ratios))

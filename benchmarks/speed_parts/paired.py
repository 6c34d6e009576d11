"""Process CPU time of several contestants, batch after batch in turns, so that all meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from speed_parts.contestants import Contestant, Result

#: CPU seconds a turn takes its first contestant, about.
TURN = 2.0


@dataclass(frozen=True)
class Timed:
    """CPU seconds a batch in each turn, in the order of the turns, and what the last batch achieved."""

    seconds: tuple[float, ...]
    result: Result


@dataclass(frozen=True)
class Ratio:
    """Of CPU times, turn by turn."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}, {self.most:.2f}]"


def alternating(
    contestants: Mapping[str, Contestant], pairs: int, patience: float, always: Sequence[str]
) -> dict[str, Timed]:
    """``pairs`` turns of as many batches of each contestant, after one batch each to warm up, which is not counted.

    The machine's speed changes within a second. So contestants take turns batch by batch, every other time in the
    opposite order; a turn's figure is the mean of its batches and of what its contestant does once.

    ``always`` take part in all turns, which last as the first of them needs; the others only until they have used up
    ``patience`` CPU seconds. One that does so while it warms up is timed by that.
    """
    warm = {name: _turn({name: contestant}, 1)[name] for name, contestant in contestants.items()}
    batches = max(1, round(TURN / max(sum(warm[always[0]].seconds), 1e-9)))
    seconds = {
        name: timed.seconds if name not in always and sum(timed.seconds) > patience else ()
        for name, timed in warm.items()
    }
    results = {name: timed.result for name, timed in warm.items()}
    for _ in range(pairs):
        going = {
            name: contestant
            for name, contestant in contestants.items()
            if name in always or batches * sum(seconds[name]) <= patience
        }
        for name, timed in _turn(going, batches).items():
            seconds[name] += timed.seconds
            results[name] = timed.result
    return {name: Timed(seconds[name], results[name]) for name in contestants}


def _turn(contestants: Mapping[str, Contestant], batches: int) -> dict[str, Timed]:
    spent = dict.fromkeys(contestants, 0.0)
    stacks = {name: ExitStack() for name in contestants}
    runs, results = {}, {}
    for name, contestant in contestants.items():
        with _charged(spent, name):
            runs[name] = stacks[name].enter_context(contestant())
    order = list(contestants)
    for _ in range(batches):
        for name in order:
            with _charged(spent, name):
                results[name] = runs[name]()
        order.reverse()
    for name, stack in stacks.items():
        with _charged(spent, name):
            stack.close()
    return {name: Timed((spent[name] / batches,), results[name]) for name in contestants}


@contextmanager
def _charged(spent: dict[str, float], name: str) -> Iterator[None]:
    started = time.process_time()
    yield
    spent[name] += time.process_time() - started


def ratio(one: Timed, other: Timed) -> Ratio:
    """Of the turns that both took part in."""
    ratios = [a / b for a, b in zip(one.seconds, other.seconds, strict=False)]
    return Ratio(median(ratios), min(ratios), max(ratios))

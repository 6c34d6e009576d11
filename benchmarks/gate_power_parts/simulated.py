"""Simulations in two processes, in chunks with seeds of their own: the same figures whichever process does what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from pytest_robustness.records.measurement import Measurement

from gate_power_parts.attacks import Powers, powers
from gate_power_parts.evidence import Side
from gate_power_parts.null import GATE, Count, equally_robust, unchanged
from gate_power_parts.power import CAUGHT, Power, Setup, best_attainable, paired, smallest_caught, unpaired
from gate_power_parts.rules import Gate

IMAGES = (100, 300, 1000, 5000)
DISCORDANCES = (0.05, 0.1, 0.2, 0.3)
CHUNKS = 8
#: Of the pairs of models with most alarms, judged again with fresh random numbers.
WORST = 5
#: Points to which a simulated smallest change is searched.
PRECISION = 5e-4

Measured = Mapping[str, Measurement]


def summed(pool: Executor, work: partial[Count], images: int, runs: int, seed: int) -> Count:
    total = Count()
    jobs = [pool.submit(work, images=images, runs=runs // CHUNKS, seed=(seed, images, i)) for i in range(CHUNKS)]
    for job in jobs:
        total += job.result()
    return total


def equal_models(
    pool: Executor,
    gate: Gate,
    like: Measured,
    sides: Mapping[str, Side],
    sizes: Sequence[int],
    runs: int,
    seed: int = 0,
) -> dict[int, Count]:
    work = partial(equally_robust, gate, like, sides)
    return {images: summed(pool, work, images, runs, seed) for images in sizes}


def worst_pairs(
    pool: Executor, gate: Gate, like: Measured, sides: Mapping[str, Side], found: Count, images: int, runs: int
) -> dict[str, float]:
    """Alarm rates of the ``WORST`` pairs of ``found``, from new runs: the highest of many is partly luck."""
    worst = sorted(found.pairs, key=lambda pair: found.alarms_of[pair] / found.pairs[pair], reverse=True)[:WORST]
    works = {pair: partial(equally_robust, gate, like, sides, pairs=[tuple(pair.split("/"))]) for pair in worst}
    return {pair: summed(pool, work, images, runs, 1).rate(GATE) for pair, work in works.items()}


def unchanged_models(
    pool: Executor, gate: Gate, like: Measured, pairs: Mapping[str, tuple[Side, Side]], sizes: Sequence[int], runs: int
) -> dict[int, Count]:
    work = partial(unchanged, gate, like, pairs)
    return {images: summed(pool, work, images, runs, 2) for images in sizes}


@dataclass(frozen=True)
class Levels:
    """What a case and the pooled test are judged at, and how attacks are correlated."""

    case: float
    pooled: float
    tolerance: float
    correlation: float

    def rules(self) -> dict[str, Power]:
        """Of one case: the gate, the best there is, and simpler rules."""
        return {
            "one case": lambda setup: paired(setup, self.case, self.tolerance),
            "best attainable, one case": lambda setup: best_attainable(setup, self.case),
            "unpaired z test": lambda setup: unpaired(setup, self.case),
            "tolerance of 1 point": lambda setup: paired(setup, 1.0, 0.01),
            "tolerance of 2 points": lambda setup: paired(setup, 1.0, 0.02),
        }

    def without_tolerance(self, setup: Setup) -> float:
        return paired(setup, self.case, -1.0)

    def together(self, setup: Setup, moving: int) -> Powers:
        return powers(setup, self.correlation, self.case, self.pooled, self.tolerance, moving)


@dataclass(frozen=True)
class Smallest:
    """The smallest changes caught in 80 % of runs, in shares; None: none is."""

    images: int
    discordance: float
    rules: Mapping[str, float | None]
    limit: str
    pooled_three: float | None
    pooled_two: float | None


def smallest(levels: Levels, images: int, discordance: float) -> Smallest:
    rules = {name: smallest_caught(power, images, discordance) for name, power in levels.rules().items()}
    bare = smallest_caught(levels.without_tolerance, images, discordance)
    mine = rules["one case"]
    limited = mine is not None and bare is not None and mine - bare > PRECISION
    return Smallest(
        images,
        discordance,
        rules,
        "tolerance" if limited else "level",
        *(_smallest_together(levels, images, discordance, moving) for moving in (3, 2)),
    )


def _smallest_together(levels: Levels, images: int, discordance: float, moving: int) -> float | None:
    """By bisection of the simulated pooled power."""
    low, high = 0.0, discordance
    if levels.together(Setup(images, discordance, high), moving).pooled < CAUGHT:
        return None
    while high - low > PRECISION:
        middle = (low + high) / 2
        if levels.together(Setup(images, discordance, middle), moving).pooled < CAUGHT:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True)
class Curves:
    """Power by shift, for each rule, of one number of images and discordance."""

    images: int
    discordance: float
    shifts: tuple[float, ...]
    powers: Mapping[str, tuple[float, ...]]


def curves(levels: Levels, shifts: tuple[float, ...], images: int, discordance: float) -> Curves:
    setups = [Setup(images, discordance, shift) for shift in shifts if shift <= discordance]
    lines = {name: tuple(power(setup) for setup in setups) for name, power in levels.rules().items()}
    lines["three attacks pooled"] = tuple(levels.together(setup, 3).pooled for setup in setups)
    return Curves(images, discordance, tuple(setup.shift for setup in setups), lines)

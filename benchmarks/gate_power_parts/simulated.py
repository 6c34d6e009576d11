"""Simulations in two processes, in chunks: the same figures whichever process does what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gate_power_parts.attacks import Powers, powers
from gate_power_parts.evidence import Side
from gate_power_parts.null import CERTAIN, ONE, THREE, TWELVE, Cell, Count, World, simulate, unchanged
from gate_power_parts.power import CAUGHT, Power, Setup, best_attainable, paired, smallest_caught, unpaired

Key = TypeVar("Key")
IMAGES = (100, 300, 1000, 5000)
SIMULATED = (100, 300, 1000)
DISCORDANCES = (0.05, 0.1, 0.2, 0.3)
CHUNKS = 8
#: Points to which a simulated smallest change is searched.
PRECISION = 5e-4
#: Points of all attacks, of one, and of one class under one attack.
RISE, RISE_OF_ONE, COLLAPSE = 3.0, 5.0, 20.0
CHURNS = (0.05, 0.1, 0.2, 0.36)
#: Pairs of models that are as far apart as the largest churn, or nearly.
FARTHEST = 5


def level_cells() -> list[Cell]:
    return [Cell(attacks, images) for attacks in (ONE, THREE, TWELVE) for images in SIMULATED]


def rise_cells() -> list[Cell]:
    every = [(RISE, "all", attacks) for attacks in (ONE, THREE, TWELVE)]
    one = [(RISE_OF_ONE, "one", attacks) for attacks in (THREE, CERTAIN, TWELVE)]
    return [Cell(attacks, images, rise, where) for rise, where, attacks in (*every, *one) for images in SIMULATED]


def collapse_cells(world: World) -> list[Cell]:
    """Of pairs of models that differ under the first attack in about as many images as the largest churn, or more."""
    apart = [float((world.sides[one].success[0] != world.sides[other].success[0]).mean()) for one, other in world.pairs]
    farthest = tuple(sorted(sorted(range(len(apart)), key=lambda i: -apart[i])[:FARTHEST]))
    return [
        Cell(attacks, 1000, collapse=COLLAPSE, churn=churn, models=farthest)
        for attacks in (THREE, TWELVE)
        for churn in CHURNS
    ]


def counts(pool: Executor, world: World, runs: Mapping[Cell, int]) -> dict[Cell, Count]:
    """How often each cell's runs alarmed."""
    work = {cell: partial(simulate, world, cell, number) for cell, number in runs.items()}
    return _summed(pool, work, runs)


def unchanged_models(
    pool: Executor, world: World, pairs: Mapping[str, tuple[Side, Side]], sizes: Sequence[int], runs: int
) -> dict[int, Count]:
    work = {images: partial(unchanged, world, pairs, images, runs) for images in sizes}
    return _summed(pool, work, dict.fromkeys(sizes, runs))


def _summed(
    pool: Executor, work: Mapping[Key, Callable[[int, int], Count]], runs: Mapping[Key, int]
) -> dict[Key, Count]:
    waiting = {
        key: [pool.submit(work[key], runs[key] * i // CHUNKS, runs[key] * (i + 1) // CHUNKS) for i in range(CHUNKS)]
        for key in work
    }
    found = {}
    for key, jobs in waiting.items():
        found[key] = Count()
        for job in jobs:
            found[key] += job.result()
    return found


@dataclass(frozen=True)
class Levels:
    """What a case and the pooled test are judged at by themselves, and how attacks are correlated."""

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


def images_of_a_class(world: World, cell: Cell, churn: float) -> int:
    """How many images a class needs for its collapse to be seen in 80 % of runs, at the slice's declared weight.

    Slices that cannot change give their weight back, so that fewer may do.
    """
    gate = world.gate(world.change(cell.attacks, 0)[0].attacks)
    classes = len(set(world.universe.images.labels))
    metrics = sum(one.has_success_rate + (one.evidence.distance is not None) for one in gate.like.values())
    level = gate.suite.alpha * gate.suite.levels.slices / (classes * metrics)
    rise = cell.collapse / 100
    discordance = churn + rise * (1 - churn)
    tolerance = gate.suite.tolerances.success_rate
    images = 20
    while paired(Setup(images, discordance, rise), level, tolerance) < CAUGHT:
        images += 5
    return images

"""Simulated changes of a model, without any effect and with a planted one, judged as the gate would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.suite import Suite

from gate_power_parts.evidence import Side, beside, only, with_certain
from gate_power_parts.plants import collapsed, risen
from gate_power_parts.rules import Gate, Said, earlier_rule, group_fails, naive, quickly, unpaired
from gate_power_parts.sampling import Sample, Universe, swapped

#: Of the first runs of a cell, judged by the package's whole verdict too.
CHECKED = 2
NAIVE = {"tolerance of 1 point": 0.01, "tolerance of 2 points": 0.02}
UNPAIRED = "unpaired z test"
#: What is counted of each run: rules, and combinations of slices and groups.
EARLIER, ALONE, PLAIN, SLICES, GROUP, BOTH = "earlier", "alone", "plain", "whole gate", "group", "group and slices"
BARE, NAMED, DRIFT, CHANGED = "without tolerances", "named", "drift", "changed outcomes"
#: Suites of attacks, by name: one, three, those of four pairs of models as twelve, three and nine that always succeed.
ONE, THREE, TWELVE, CERTAIN = "1", "3", "12", "3 + 9 that always succeed"
FIRST = "fgsm"
#: Pairs of models that give the attacks of TWELVE are so many places apart.
APART = 23
#: Other members of a group.
MEMBERS = 2


@dataclass
class Count:
    """Runs, and how many of them did what."""

    runs: int = 0
    of: Counter[str] = field(default_factory=Counter)
    total: float = 0.0

    def __iadd__(self, other: Count) -> Count:
        self.runs += other.runs
        self.of += other.of
        self.total += other.total
        return self

    def rate(self, name: str) -> float:
        return self.of[name] / self.runs if self.runs else float("nan")


@dataclass(frozen=True)
class World:
    """The zoo as it was recorded: each model's evidence, a measurement of each attack, and the images."""

    suite: Suite
    sides: Mapping[str, Side]
    like: Mapping[str, Measurement]
    universe: Universe

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        return list(combinations(self.sides, 2))

    def gate(self, attacks: Sequence[str]) -> Gate:
        like = {name: self.like["pgd" if "always" in name else name.partition("-")[0]] for name in attacks}
        return Gate.of(self.suite, like)

    def change(self, attacks: str, pair: int) -> tuple[Side, Side]:
        """Two models' evidence under a suite of attacks."""
        one, other = (self.sides[name] for name in self.pairs[pair % len(self.pairs)])
        if attacks == ONE:
            return only(one, [FIRST]), only(other, [FIRST])
        if attacks == THREE:
            return one, other
        if attacks == CERTAIN:
            return with_certain(one, "pgd", 9), with_certain(other, "pgd", 9)
        names = [self.pairs[(pair + i * APART) % len(self.pairs)] for i in range(4)]
        return beside([self.sides[one] for one, _ in names]), beside([self.sides[other] for _, other in names])


@dataclass(frozen=True)
class Cell:
    """One kind of simulated run.

    Attributes:
        attacks: a suite of attacks, by its name.
        images: how many.
        rise: points planted into success; under ``where`` attacks: "all", or "one".
        collapse: points planted into one class under one attack.
        churn: share of outcomes under that attack that change anyhow; None: as between two models of the zoo.
        models: pairs of models, by their places; none: all.
    """

    attacks: str
    images: int
    rise: float = 0.0
    where: str = "all"
    collapse: float = 0.0
    churn: float | None = None
    models: tuple[int, ...] = ()


def simulate(world: World, cell: Cell, runs: int, first: int = 0, last: int | None = None) -> Count:
    """Runs ``first`` to ``last`` of ``runs``; each has random numbers of its own.

    Neighbours share a pair of models, and with it the distributions of many tests.
    """
    count = Count()
    models = cell.models or range(len(world.pairs))
    with quickly():
        for run in range(first, runs if last is None else last):
            _run(world, cell, models[run * len(models) // runs], run, count, checked=run < CHECKED)
    return count


def _run(world: World, cell: Cell, pair: int, run: int, count: Count, *, checked: bool) -> None:
    rng = np.random.default_rng([cell.images, len(cell.attacks), round(100 * cell.rise + cell.collapse), run])
    sample = world.universe.drawn(cell.images, f"{cell}/{run}", rng)
    one, other = (sample.of(side) for side in world.change(cell.attacks, pair))
    apart = float((one.success[0] != other.success[0]).mean())
    share = 1.0 if cell.churn is None else min(1.0, cell.churn / max(apart, 1e-9))
    then, now = swapped(one, other, sample, rng, share)
    count.total += float((then.success[0] != now.success[0]).mean())
    named = None
    if cell.rise:
        moving = now.attacks[:1] if cell.where == "one" else now.attacks
        now = risen(now, moving, cell.rise, rng)
    if cell.collapse:
        now, named = collapsed(now, now.attacks[0], np.array(sample.images.labels), cell.collapse, rng)
    gate = world.gate(now.attacks)
    said = gate.said(then, now, sample)
    if checked:
        said.check()
    count.runs += 1
    count.of.update(rules_of(said, then, now))
    if cell.churn is None:
        count.of.update(_with_group(world, cell, pair, said, (then, now), sample, rng))
    if named is not None:
        wanted = f"class {world.suite.class_name(named)} under {now.attacks[0]}: "
        count.of[NAMED] += any(wanted in name for name in said.alarms())


def rules_of(said: Said, then: Side, now: Side) -> set[str]:
    """What alarms: rules, and the parts of the whole one."""
    alarms, plain = said.alarms(), said.alarms(slices=False)
    level = said.gate.suite.case(next(iter(said.pairs))).level
    found = {SLICES: alarms, PLAIN: plain, ALONE: said.alone(), EARLIER: earlier_rule(said)}
    found |= {BARE: said.without_tolerances(), UNPAIRED: unpaired(then, now, level)}
    found |= {name: naive(then, now, tolerance) for name, tolerance in NAIVE.items()}
    return {name for name, yes in found.items() if yes} | said.parts(alarms)


def _with_group(
    world: World, cell: Cell, pair: int, said: Said, own: tuple[Side, Side], sample: Sample, rng: np.random.Generator
) -> set[str]:
    """The same for a model in a group of three, whose other two did not change for the worse."""
    members = [own]
    for i in range(MEMBERS):
        sides = (sample.of(side) for side in world.change(cell.attacks, pair + 5 + 7 * i))
        members.append(swapped(*sides, sample, rng))
    group = group_fails(said.gate, members, sample)
    found = {GROUP: said.alarms(slices=False, level=0.9), BOTH: said.alarms(level=0.9)}
    return {name for name, alarms in found.items() if group or alarms}


def unchanged(
    world: World, pairs: Mapping[str, tuple[Side, Side]], images: int, runs: int, first: int, last: int
) -> Count:
    """Runs ``first`` to ``last`` of ``runs``: a model measured twice, ``pairs`` by name, images drawn with replacement.

    Neighbours are of one pair.
    """
    count = Count()
    names = list(pairs)
    with quickly():
        for run in range(first, last):
            then, now = pairs[names[run * len(names) // runs]]
            sample = world.universe.bootstrapped(images, f"unchanged {images}/{run}", np.random.default_rng([9, run]))
            then, now = sample.of(then), sample.of(now)
            said = world.gate(now.attacks).said(then, now, sample)
            count.runs += 1
            count.of.update(rules_of(said, then, now) | ({DRIFT} if said.drifts() else set()))
    return count

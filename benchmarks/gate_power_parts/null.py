"""False alarms, simulated: models that are equally robust by construction, judged as the gate would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from pytest_robustness.records.measurement import Measurement

from gate_power_parts.evidence import Side, bootstrapped, sampled, swapped
from gate_power_parts.rules import Gate, check, metric_of, naive, unpaired

#: Of the first runs of a chunk, judged by the package too.
CHECKED = 5
NAIVE = {"tolerance of 1 point": 0.01, "tolerance of 2 points": 0.02}
UNPAIRED = "unpaired z test"
GATE = "gate"
DRIFT = "drift"


@dataclass
class Count:
    """Runs, and how many of them alarmed, by rule or metric; runs of each pair of models, and their alarms."""

    runs: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    alarms_of: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Count) -> Count:
        self.runs += other.runs
        self.alarms += other.alarms
        self.pairs += other.pairs
        self.alarms_of += other.alarms_of
        return self

    def add(self, pair: str, alarms: set[str]) -> None:
        self.runs += 1
        self.alarms.update(alarms)
        self.pairs[pair] += 1
        self.alarms_of[pair] += GATE in alarms

    def rate(self, name: str) -> float:
        return self.alarms[name] / self.runs


def said(gate: Gate, then: Side, now: Side) -> set[str]:
    """What alarms: metrics, ``attack/metric``, and rules."""
    alarms = gate.alarms(then, now)
    rules = {GATE} if alarms else set()
    rules |= {name for name, tolerance in NAIVE.items() if naive(then, now, tolerance)}
    if unpaired(then, now, gate):
        rules.add(UNPAIRED)
    return alarms | {metric_of(alarm) for alarm in alarms} | rules


def equally_robust(
    gate: Gate,
    like: Mapping[str, Measurement],
    sides: Mapping[str, Side],
    images: int,
    runs: int,
    seed: Sequence[int],
    pairs: Sequence[tuple[str, str]] = (),
) -> Count:
    """Pairs of different models (default: all) in turn, both sides of each of ``images`` images exchanged at random.

    The arrays' verdicts are compared with the package's on the first few runs.
    """
    rng = np.random.default_rng(seed)
    count = Count()
    pairs = pairs or list(combinations(sides, 2))
    offset = int(rng.integers(len(pairs)))
    for run in range(runs):
        pair = pairs[(offset + run) % len(pairs)]
        one, other = (sides[name] for name in pair)
        then, now = swapped(*sampled(one, other, images, rng), rng)
        count.add("/".join(pair), said(gate, then, now))
        if run < CHECKED:
            check(gate, like, then, now)
    return count


def unchanged(
    gate: Gate,
    like: Mapping[str, Measurement],
    pairs: Mapping[str, tuple[Side, Side]],
    images: int,
    runs: int,
    seed: Sequence[int],
) -> Count:
    """The same model measured twice, ``pairs`` by name, its images bootstrapped."""
    rng = np.random.default_rng(seed)
    count = Count()
    names = list(pairs)
    for run in range(runs):
        name = names[run % len(names)]
        then, now = bootstrapped(*pairs[name], images, rng)
        drift = {DRIFT} if gate.drifts(then, now) else set()
        count.add(name, said(gate, then, now) | drift)
        if run < CHECKED:
            check(gate, like, then, now)
    return count

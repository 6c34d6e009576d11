"""Power, planted: changes made to zoo models, and what of the gate catches them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pytest_robustness.records.measurement import Measurement

from gate_power_parts.evidence import Side
from gate_power_parts.measuring import Lab, Task, by_change, comparable, in_order
from gate_power_parts.null import World
from gate_power_parts.rules import PARTS, quickly

#: Models with the same change in both of their forms, and the depths at which batch norm is added.
MODELS = ("vgg11", "vgg16_bn")
DEPTHS = ("vgg11", "vgg13", "vgg16", "vgg19")
#: Whether anything alarms.
GATE = "gate"


@dataclass(frozen=True)
class Planted:
    """One change of one model: what it did, what alarmed on all images, and how often on samples of them.

    ``alarms`` are pairs of a part of the gate and the statement's name.
    """

    change: str
    model: str
    before: Mapping[str, Measurement]
    after: Mapping[str, Measurement]
    alarms: set[tuple[str, str]]
    caught: Mapping[int, Mapping[str, float]]


Pairs = dict[tuple[str, str], tuple[dict[str, Measurement], dict[str, Measurement]]]


def weights(
    changes: Mapping[str, Callable[[str], object]], models: tuple[str, ...], folder: Path, pool: ProcessPoolExecutor
) -> dict[tuple[str, str], Path]:
    """Changed weights of each change and model, made in ``pool``."""
    from gate_power_parts.changes import make

    waiting = {
        (name, model): pool.submit(make, model, change, folder / f"{model} {name}.safetensors")
        for name, change in changes.items()
        for model in models
    }
    return {key: future.result() for key, future in waiting.items()}


def measured(lab: Lab, files: Mapping[tuple[str, str], Path]) -> Pairs:
    """Before and after of each change, by attack."""
    tasks = [
        Task(change, model, attack, weights=path)
        for (change, model), path in files.items()
        for attack in lab.suite.attacks
    ]
    found = by_change(lab.measure(tasks))
    return {
        (change, model): (lab.baseline(model), in_order(found[change, model], list(lab.suite.attacks)))
        for change, model in files
    }


def batch_norm(lab: Lab) -> Pairs:
    """What if the update of vggN were vggN_bn? Needs no measuring: both have baselines."""
    return {
        ("batch norm added", model): (lab.baseline(model), lab.baseline(f"{model}_bn"))
        for model in DEPTHS
        if {model, f"{model}_bn"} <= lab.suite.models.keys()
    }


def judged(world: World, pairs: Pairs, runs: Mapping[int, int], pool: ProcessPoolExecutor) -> Iterator[Planted]:
    """Each change judged on all images, and on bootstrapped samples of ``runs``: images -> how often."""
    waiting = {key: pool.submit(partial(_judged, world, *pair, runs)) for key, pair in pairs.items()}
    for (change, model), (before, after) in pairs.items():
        alarms, caught = waiting[change, model].result()
        yield Planted(change, model, before, after, alarms, caught)


def _judged(
    world: World, before: Mapping[str, Measurement], after: Mapping[str, Measurement], runs: Mapping[int, int]
) -> tuple[set[tuple[str, str]], dict[int, dict[str, float]]]:
    after = {attack: comparable(now, before[attack]) for attack, now in after.items()}
    then, now = Side.of(before), Side.of(after)
    gate = world.gate(tuple(before))
    universe = world.universe
    whole = universe.sample(
        np.arange(len(universe.images.keys)), np.arange(len(universe.unselected.keys)), "all images"
    )
    said = gate.said(whole.of(then), whole.of(now), whole)
    said.check()
    caught = {}
    with quickly():
        for images, times in runs.items():
            rng = np.random.default_rng(images)
            count: Counter[str] = Counter()
            for run in range(times):
                sample = universe.bootstrapped(images, f"planted {images}/{run}", rng)
                one = gate.said(sample.of(then), sample.of(now), sample)
                count.update(one.parts(one.alarms()) | ({GATE} if one.alarms() else set()))
            caught[images] = {part: count[part] / times for part in (*PARTS, GATE)}
    failing = said.alarms()
    alarms = {(said.part(one), one.name) for one in said.made if one.name in failing}
    return alarms, caught

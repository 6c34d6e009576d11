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

from gate_power_parts.evidence import Side, bootstrapped
from gate_power_parts.measuring import Lab, Task, by_change, comparable, in_order
from gate_power_parts.null import GATE, said
from gate_power_parts.rules import METRICS, Gate, check

#: Models with the same change in both of their forms, and the depths at which batch norm is added.
MODELS = ("vgg11", "vgg16_bn")
DEPTHS = ("vgg11", "vgg13", "vgg16", "vgg19")
#: By what part of the gate a change is caught, in the order of the table.
PARTS = (*METRICS, GATE)


@dataclass(frozen=True)
class Planted:
    """One change of one model: what it did, what alarmed on all images, and how often on samples of them."""

    change: str
    model: str
    before: Mapping[str, Measurement]
    after: Mapping[str, Measurement]
    alarms: set[str]
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


def judged(gate: Gate, pairs: Pairs, runs: Mapping[int, int], pool: ProcessPoolExecutor) -> Iterator[Planted]:
    """Each change judged on all images, and on bootstrapped samples of ``runs``: images -> how often."""
    waiting = {key: pool.submit(partial(_judged, gate, *pair, runs)) for key, pair in pairs.items()}
    for (change, model), (before, after) in pairs.items():
        alarms, caught = waiting[change, model].result()
        yield Planted(change, model, before, after, alarms, caught)


def _judged(
    gate: Gate, before: Mapping[str, Measurement], after: Mapping[str, Measurement], runs: Mapping[int, int]
) -> tuple[set[str], dict[int, dict[str, float]]]:
    after = {attack: comparable(now, before[attack]) for attack, now in after.items()}
    then, now = Side.of(before), Side.of(after)
    check(gate, before, then, now)
    caught = {}
    for images, times in runs.items():
        rng = np.random.default_rng(images)
        count: Counter[str] = Counter()
        for _ in range(times):
            count.update(said(gate, *bootstrapped(then, now, images, rng)))
        caught[images] = {part: count[part] / times for part in PARTS}
    return gate.alarms(then, now), caught

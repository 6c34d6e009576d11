"""Plans who measures what: cases become tasks, a large case several, and tasks are dealt to shards.

Plain arithmetic on names, costs and sizes, without torch and without files: the same on every machine, whatever the
order in which the cases are given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import BACKWARD, Measurement

#: Seconds an image is taken to cost when no baseline tells. Only ratios matter, so it only says: all cost the same.
DEFAULT = 1.0
#: A shard may get this share of the mean load more, so that a case stays whole.
SLACK = 0.1
#: A part smaller than this share of the mean load is left with the part before it: each part loads its model.
SLIVER = 0.05


@dataclass(frozen=True)
class Size:
    """Says how far a case can be cut.

    Attributes:
        images: number of images.
        grain: parts begin at multiples of it. It is 1 where an image's result does not depend on others, and the size
            of a batch for an attack that is called with whole batches.
    """

    images: int
    grain: int = 1


@dataclass(frozen=True)
class Task:
    """Stands for a case, or for consecutive images of it, that one process measures.

    Attributes:
        rows: places of the images; None means the whole case.
        cost: expected seconds.
    """

    case: str
    rows: range | None
    cost: float


def expected_costs(sizes: Mapping[str, Size], baselines: Mapping[str, Measurement]) -> dict[str, float]:
    """Return the seconds that each case is expected to take, by its baseline.

    Rows are counted exactly, whatever else the machine did, so a case's cost is its counted rows times what a row of
    its model cost over all of the model's baselines. A case without a baseline costs, for each image, as much as its
    attack costs other models, else as much as all cases do, else ``DEFAULT``.
    """
    known = {case: one for case, one in baselines.items() if case in sizes and one.images.count}
    rates = _seconds_of_a_row(known.values())
    everywhere = fmean(rates.values()) if rates else 0.0
    each: dict[str, float] = {}
    for case in sorted(known):
        one = known[case]
        seconds = _rows(one) * rates.get(CaseId(case).model, everywhere) if one.timing.rows else one.seconds
        if seconds:
            each[case] = seconds / one.images.count
    by_attack: dict[str, list[float]] = {}
    for case, cost in each.items():
        by_attack.setdefault(CaseId(case).attack, []).append(cost)
    usual = fmean(each.values()) if each else DEFAULT
    like = {attack: fmean(costs) for attack, costs in by_attack.items()}
    return {case: size.images * each.get(case, like.get(CaseId(case).attack, usual)) for case, size in sizes.items()}


def _rows(one: Measurement) -> int:
    """Return the work of a case in forwards of one image: those of the attack, and the look at the clean images."""
    return one.timing.rows + BACKWARD * one.timing.gradient_rows + one.images.count


def _seconds_of_a_row(baselines: Iterable[Measurement]) -> dict[str, float]:
    """Return what a forward of one image costs each model, in seconds. Models whose time is not known are left out."""
    totals: dict[str, tuple[float, int]] = {}
    for one in sorted(baselines, key=lambda one: one.case):
        if one.timing.rows and one.timing.attack_seconds:
            seconds, rows = totals.get(CaseId(one.case).model, (0.0, 0))
            totals[CaseId(one.case).model] = seconds + one.timing.attack_seconds, rows + _rows(one)
    return {model: seconds / rows for model, (seconds, rows) in totals.items()}


def tasks(cases: Iterable[str], costs: Mapping[str, float], sizes: Mapping[str, Size], *, largest: float) -> list[Task]:
    """Return the tasks of some cases, the longest first.

    A case that costs more than ``largest`` seconds is cut into as few equal parts as do not, as far as its grain
    allows.
    """
    made = [task for case in cases for task in _cut(case, costs[case], sizes[case], largest)]
    return sorted(made, key=_longest_first)


def _longest_first(task: Task) -> tuple[float, str, int]:
    return -task.cost, task.case, task.rows.start if task.rows is not None else 0


def _cut(case: str, cost: float, size: Size, largest: float) -> list[Task]:
    grains = -(-size.images // size.grain)
    count = min(grains, math.ceil(cost / largest)) if largest > 0 else 1
    if count < 2:
        return [Task(case, None, cost)]
    edges = [min(size.images, size.grain * (grains * part // count)) for part in range(count + 1)]
    return [_part(case, cost, size, start, stop) for start, stop in pairwise(edges)]


def _part(case: str, cost: float, size: Size, start: int, stop: int) -> Task:
    if (start, stop) == (0, size.images):
        return Task(case, None, cost)
    return Task(case, range(start, stop), cost * (stop - start) / size.images)


def shards(costs: Mapping[str, float], sizes: Mapping[str, Size], count: int) -> list[list[Task]]:
    """Deal all cases to ``count`` shards, and return each shard's tasks, the longest first.

    The longest case goes first, whole, to the shard with the least to do, as long as that stays within the mean load
    and some slack. The cases that fit nowhere are then poured into what room is left, one part for a shard at most.
    So no shard has much more than the mean, and few cases are cut. Shards may be left without a task.
    """
    loads, dealt = [0.0] * count, list[list[Task]]([] for _ in range(count))
    mean = math.fsum(costs[case] for case in sorted(sizes)) / count
    large = []
    for task in tasks(sizes, costs, sizes, largest=math.inf):
        shard = min(range(count), key=loads.__getitem__)
        uncut = sizes[task.case].images <= sizes[task.case].grain
        if uncut or loads[shard] + task.cost <= (1 + SLACK) * mean:
            dealt[shard].append(task)
            loads[shard] += task.cost
        else:
            large.append(task)
    for whole in large:
        _pour(whole, sizes[whole.case], mean, loads, dealt)
    return [sorted(own, key=_longest_first) for own in dealt]


def _pour(whole: Task, size: Size, mean: float, loads: list[float], dealt: Sequence[list[Task]]) -> None:
    """Deal a case to the shards that have the most room, part by part."""
    free, start, image = list(range(len(loads))), 0, whole.cost / size.images
    while start < size.images:
        shard = min(free, key=loads.__getitem__)
        free.remove(shard)
        grains = max(1, math.ceil((mean - loads[shard]) / (image * size.grain)))
        stop = min(size.images, start + size.grain * grains)
        if not free or (size.images - stop) * image < SLIVER * mean:
            stop = size.images
        task = _part(whole.case, whole.cost, size, start, stop)
        dealt[shard].append(task)
        loads[shard] += task.cost
        start = stop

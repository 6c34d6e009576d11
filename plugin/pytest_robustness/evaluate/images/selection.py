"""Selection of the images of a folder that are attacked: some of each class, which every model classifies correctly.

A class's images are tried in a seeded order, and the first that every model classifies correctly are chosen. Candidates
are tried in waves, which saves work: a model sees only the images that the models before it classified correctly, and a
class that has enough images gets no more candidates. The choice depends on the folder, the models and the seed, and not
on the waves or the number of processes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from pytest_robustness.evaluate.images.folders import Photograph, Scan

#: Takes (model, photographs) and tells of each whether the model is right, or None when the file cannot be read.
Judge = Callable[[str, Sequence[Photograph]], list[bool | None]]
#: Candidates of a class in the first wave, for each image that is still wanted; doubled with each wave.
FIRST_WAVE = 2


@dataclass(frozen=True)
class Selection:
    """Holds the photographs that were chosen, and what was missing.

    Attributes:
        chosen: the photographs, in order of label, then path.
        short: classes that have images, but too few that every model classifies correctly.
        unreadable: paths of files that are no images.
        tried: number of images that at least one model looked at.
    """

    chosen: list[Photograph]
    short: list[str]
    unreadable: list[str]
    tried: int


@dataclass
class _Class:
    """Holds a class's candidates in the order they are tried, and those that every model classified correctly."""

    waiting: list[Photograph]
    good: list[Photograph] = field(default_factory=list)

    def wave(self, wanted: int, width: int) -> list[Photograph]:
        count = (wanted - len(self.good)) * width
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken


def select(scan: Scan, models: Sequence[str], judge: Judge, *, per_class: int, seed: int) -> Selection:
    """Choose ``per_class`` images of each class."""
    classes: dict[int, _Class] = defaultdict(lambda: _Class([]))
    order = np.random.default_rng(seed).permutation(len(scan.photographs))
    for index in order.tolist():
        photograph = scan.photographs[index]
        classes[photograph.label].waiting.append(photograph)
    unreadable: set[str] = set()
    tried, width = 0, FIRST_WAVE
    while True:
        candidates = [one for label in sorted(classes) for one in classes[label].wave(per_class, width)]
        if not candidates:
            break
        tried, width = tried + len(candidates), width * 2
        for model in models:
            answers = judge(model, candidates)
            unreadable |= {one.path for one, right in zip(candidates, answers, strict=True) if right is None}
            candidates = [one for one, right in zip(candidates, answers, strict=True) if right]
        for photograph in candidates:
            classes[photograph.label].good.append(photograph)
    chosen = [one for found in classes.values() for one in found.good[:per_class]]
    short = [scan.names[label] for label, found in sorted(classes.items()) if len(found.good) < per_class]
    return Selection(sorted(chosen, key=lambda one: (one.label, one.path)), short, sorted(unreadable), tried)


def draw(scan: Scan, count: int, seed: int, readable: Callable[[Sequence[Photograph]], list[bool]]) -> list[Photograph]:
    """Draw ``count`` images at random from those that can be read, and return them sorted by path.

    Returns all of them when there are fewer.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(scan.photographs)).tolist()
    drawn: list[Photograph] = []
    while order and len(drawn) < count:
        part = [scan.photographs[index] for index in order[: count - len(drawn)]]
        order = order[len(part) :]
        drawn += [one for one, good in zip(part, readable(part), strict=True) if good]
    return sorted(drawn, key=lambda one: one.path)


def with_digests(folder: Path, photographs: Sequence[Photograph]) -> list[Photograph]:
    """Return the same photographs with the digests of their files."""
    return [Photograph(one.path, one.label, sha256(one.read(folder)).hexdigest()) for one in photographs]

"""Which images a simulated run has, what they are called in it, and how two sides become equally robust."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
from pytest_robustness.records.image_list import ImageList, ImageSetId

from gate_power_parts.evidence import Generator, Ints, Side


@dataclass(frozen=True)
class Sample:
    """Positions of the images of a run, and their lists. Keys are the run's own, so each run has flips of its own."""

    chosen: Ints
    blind: Ints
    images: ImageList
    unselected: ImageList

    @property
    def lists(self) -> list[ImageList]:
        return [self.images, self.unselected]

    @cached_property
    def identities(self) -> tuple[ImageSetId, ImageSetId]:
        return self.images.identity, self.unselected.identity

    def of(self, side: Side) -> Side:
        return side.take(self.chosen, self.blind)


@dataclass(frozen=True)
class Universe:
    """The images that were attacked, and those that were chosen blindly; some are in both lists."""

    images: ImageList
    unselected: ImageList

    def sample(self, chosen: Ints, blind: Ints, run: str) -> Sample:
        """These images; of one that is there several times each copy is an image of its own."""
        return Sample(chosen, blind, _named(self.images, chosen, run), _named(self.unselected, blind, run))

    def drawn(self, count: int, run: str, rng: Generator) -> Sample:
        """``count`` images of each list, without replacement where there are enough."""
        chosen, blind = (
            rng.choice(len(one.keys), count, replace=count > len(one.keys)) for one in (self.images, self.unselected)
        )
        return self.sample(np.sort(chosen), np.sort(blind), run)

    def bootstrapped(self, count: int, run: str, rng: Generator) -> Sample:
        """``count`` images of each list, with replacement."""
        chosen, blind = (rng.integers(len(one.keys), size=count) for one in (self.images, self.unselected))
        return self.sample(np.sort(chosen), np.sort(blind), run)


def _named(images: ImageList, chosen: Ints, run: str) -> ImageList:
    seen: dict[int, int] = {}
    keys = []
    for place in chosen.tolist():
        seen[place] = seen.get(place, 0) + 1
        keys.append(sha256(f"{run}/{images.keys[place]}/{seen[place]}".encode()).hexdigest())
    return ImageList(keys=keys, labels=[images.labels[place] for place in chosen.tolist()])


def swapped(one: Side, other: Side, sample: Sample, rng: Generator, share: float = 1.0) -> tuple[Side, Side]:
    """Both sides with each image's results exchanged with probability 1/2: the null hypothesis, exactly.

    An image's attacks and metrics go together, so what is correlated stays so; and so does an image of both lists.

    Args:
        one, other: of the images of ``sample``.
        share: of the images that may differ at all; the others have the first side's results in both.
    """
    keys = sorted({*sample.images.keys, *sample.unselected.keys})
    draws = dict(zip(keys, rng.random(len(keys)).tolist(), strict=True))
    images, blind = (np.array([draws[key] for key in one.keys]) for one in sample.lists)
    then = one.mixed(other, images < share / 2, blind < share / 2)
    now = one.mixed(other, (images >= share / 2) & (images < share), (blind >= share / 2) & (blind < share))
    return then, now

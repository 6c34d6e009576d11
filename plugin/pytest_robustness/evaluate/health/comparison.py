"""Whether another attack fools more images than PGD on the suite's loss, or only seems to by chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pytest_robustness.evaluate.health.finding import Subject

#: The largest chance at which one attack's gain over another is said to be more than chance.
CHANCE = 0.05


@dataclass(frozen=True)
class Comparison:
    """Counts of what PGD on the loss and another attack fool of the same images.

    Attributes:
        images: how many were attacked by both.
        only_pgd, only_other: how many only one of the two fools.
        pgd: how many PGD fools.
    """

    images: int
    pgd: int
    only_pgd: int
    only_other: int

    @property
    def other(self) -> int:
        """Return how many the other attack fools."""
        return self.pgd - self.only_pgd + self.only_other

    @property
    def gain(self) -> float:
        """Return how many more the other attack fools, as a share of all; 0 where that is no more than chance."""
        return self._difference if self._chance <= CHANCE else 0.0

    def doubtful(self, limit: float) -> bool:
        """Return whether the other attack fools more by over ``limit``, and this may be chance."""
        return self._difference > limit and self._chance > CHANCE

    @property
    def _difference(self) -> float:
        return (self.only_other - self.only_pgd) / max(self.images, 1)

    @property
    def _chance(self) -> float:
        """Return the p-value of the exact one-sided sign test (Dixon and Mood 1946)."""
        decided = self.only_other + self.only_pgd
        return sum(math.comb(decided, one) for one in range(self.only_other, decided + 1)) / math.pow(2, decided)

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.images + other.images,
            self.pgd + other.pgd,
            self.only_pgd + other.only_pgd,
            self.only_other + other.only_other,
        )


def compare(subject: Subject, attack: Callable[[Subject], Tensor], limit: float) -> Comparison:
    """Compare an attack with PGD on the loss, on more of the suite's images as long as these leave it in doubt.

    ``attack`` returns (N,) bool, which images it fools. In doubt is whether it fools more by over ``limit``, a share.
    """
    counted = _counted(subject, attack(subject))
    for more in subject.others if counted.doubtful(limit) else ():
        counted += _counted(more, attack(more))
        if not counted.doubtful(limit):
            break
    return counted


def _counted(subject: Subject, found: Tensor) -> Comparison:
    pgd = subject.pgd
    return Comparison(len(subject), int(pgd.sum()), int((pgd & ~found).sum()), int((found & ~pgd).sum()))

"""Computes how small a change of a rate the gate catches, exactly, before anything has changed.

Of the images a share, the discordance, has another outcome after an update, more of them for the worse than for the
better. How many have one is binomial, and so is how many of those were lost. Both are summed over exactly. The test is
the gate's own: McNemar's exact test of the paired images, together with the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.gate.metrics.rules import ROUNDING

#: Numbers of changed images beyond this many standard deviations, and this many images, are left out of a sum.
REACH, MORE = 9, 20
#: The share of runs in which a change should be caught.
CAUGHT = 0.8
#: The shift to which the smallest change is searched.
PRECISION = 5e-4
#: Images beyond which nobody is told to go.
MOST = 100_000


@dataclass(frozen=True)
class Setup:
    """Describes a change: ``images``, the share of them with another outcome, and by how much the rate gets worse.

    ``shift`` is at most ``discordance``. Both are shares of the images.
    """

    images: int
    discordance: float
    shift: float

    @property
    def lost(self) -> float:
        return (self.discordance + self.shift) / 2

    @property
    def won(self) -> float:
        return max((self.discordance - self.shift) / 2, 0.0)


Power = Callable[[Setup], float]


def paired(setup: Setup, level: float, tolerance: float) -> float:
    """Return the chance that a change is significant at ``level`` and beyond its tolerance.

    A level of 1 leaves the test out, a tolerance of -1 the tolerance.
    """
    middle = setup.images * setup.discordance
    reach = REACH * math.sqrt(middle * (1 - setup.discordance)) + MORE
    low, high = max(0, int(middle - reach)), min(setup.images, int(middle + reach) + 1)
    chances = np.exp(_log_chances(setup.images, setup.discordance)[low : high + 1])
    lost = setup.lost / setup.discordance if setup.discordance else 0.0
    return sum(
        float(chance) * _at_least(_least(changed, setup.images, level, tolerance), changed, lost)
        for changed, chance in enumerate(chances, low)
    )


def smallest_caught(power: Power, images: int, discordance: float) -> float | None:
    """Return the smallest shift that is caught with a chance of 80 %. Returns None when even the largest is not."""
    low, high = 0.0, discordance
    if power(Setup(images, discordance, high)) < CAUGHT:
        return None
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if power(Setup(images, discordance, middle)) >= CAUGHT else (middle, high)
    return high


def images_to_catch(power: Power, shift: float, discordance: float) -> int | None:
    """Return about how many images catch this shift with a chance of 80 %. Returns None when no number in reach does.

    The chance grows with the number of images, but for the steps of an exact test, which are looked over.
    """
    low, high = 0, 1
    while power(Setup(high, discordance, shift)) < CAUGHT:
        low, high = high, 2 * high
        if low > MOST:
            return None
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if power(Setup(middle, discordance, shift)) >= CAUGHT else (middle, high)
    return high


def _least(changed: int, images: int, level: float, tolerance: float) -> int:
    """Return how many of the changed images have to be lost for the change to fail."""
    beyond = math.floor((changed + images * (tolerance + ROUNDING)) / 2) + 1
    return beyond if level >= 1 else max(beyond, _critical(changed, level))


@lru_cache(maxsize=2**16)
def _critical(changed: int, level: float) -> int:
    """Return the least number of lost images whose one-sided p value is at most ``level``; ``changed`` + 1: none is."""
    tails = np.cumsum(np.exp(_log_chances(changed, 0.5))[::-1])[::-1]
    return changed + 1 if tails[-1] > level else int(np.argmax(tails <= level))


def _at_least(least: int, trials: int, chance: float) -> float:
    """Return the chance of ``least`` successes or more."""
    if least > trials:
        return 0.0
    return min(1.0, float(np.exp(_log_chances(trials, chance)[max(0, least) :]).sum()))


def _log_chances(trials: int, chance: float) -> NDArray[np.float64]:
    """Return the logarithms of the binomial chances of 0, 1, ... ``trials`` successes."""
    counts = np.arange(trials + 1)
    if not 0 < chance < 1:
        return np.where(counts == (trials if chance else 0), 0.0, -np.inf)
    factorials = _log_factorials(max(1024, 1 << trials.bit_length()))
    ways = factorials[trials] - factorials[counts] - factorials[trials - counts]
    found: NDArray[np.float64] = ways + counts * math.log(chance) + (trials - counts) * math.log1p(-chance)
    return found


@lru_cache(maxsize=4)
def _log_factorials(most: int) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])

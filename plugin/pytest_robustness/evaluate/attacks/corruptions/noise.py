"""Corruptions by noise of a sensor and by bad pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.evaluate.attacks.corruptions.base import WHITE, Corruption, Draws, Levels, Values
from pytest_robustness.evaluate.attacks.corruptions.tables import Constants

#: Number of equally likely intervals into which a normal number falls.
INTERVALS = 2**16
#: Number of intervals of equal length for which the number of photons is looked up.
BUCKETS = 512
#: Added to draws, which are multiples of 2**-24, to put each into the middle of its step.
HALF = 2.0**-25


class _Noise(Corruption):
    """Draws one random number for each value of an image."""

    def count(self, shape: Sequence[int]) -> int:
        return math.prod(shape)


class GaussianNoise(_Noise):
    """Add a normal number to each value. The constant is its standard deviation, in units of [0, 1]."""

    kind = "gaussian_noise"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        (scale,) = constants
        return levels + (WHITE * scale) * normal(drawn).reshape(levels.shape)


class SpeckleNoise(_Noise):
    """Add to each value itself times a normal number with the given standard deviation."""

    kind = "speckle_noise"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        (scale,) = constants
        return levels * (1 + scale * normal(drawn).reshape(levels.shape))


class ImpulseNoise(_Noise):
    """Make the given share of the values white or black, half of them each."""

    kind = "impulse_noise"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Levels:
        (share,) = constants
        drawn = drawn.reshape(levels.shape)
        answer = np.where(drawn < np.float32(share), np.uint8(0), levels)
        return np.where(drawn < np.float32(share / 2), np.uint8(WHITE), answer)


class ShotNoise(_Noise):
    """Replace each value by a Poisson number of photons. The constant is the mean number at white."""

    kind = "shot_noise"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        photons = int(constants[0])
        return poisson(levels, drawn, photons) * np.float64(WHITE / photons)


def normal(drawn: Draws) -> NDArray[np.float64]:
    """Return a standard normal number for each draw, in the draws' shape, by the inverse of its distribution.

    It is the median of that one of 65,536 equally likely intervals that the draw falls into, at most 4.3 in size. It is
    looked up and not computed, so that no number depends on its place among the others.
    """
    return _medians().take((drawn * np.float32(INTERVALS)).astype(np.intp))


@lru_cache(maxsize=1)
def _medians() -> NDArray[np.float64]:
    inverse = NormalDist().inv_cdf
    return np.array([inverse((index + 0.5) / INTERVALS) for index in range(INTERVALS)])


def poisson(levels: Levels, drawn: Draws, photons: int) -> NDArray[np.int64]:
    """Return a Poisson number of mean ``photons * level / 255`` for each level, by the inverse of its distribution.

    It is the number of cumulative probabilities that are at most the draw, and at most ``photons``, because more are
    white anyway. Nearly always it follows from the table alone, when both ends of the draw's interval have the same
    number.
    """
    chances, known = _poisson(photons)
    uniform = drawn.ravel().astype(np.float64)
    level = levels.ravel().astype(np.intp)
    places = level * BUCKETS + (uniform * BUCKETS).astype(np.intp)
    found = known.take(places)
    unclear = np.flatnonzero(found != known.take(places + 1))
    found[unclear] = np.searchsorted(chances, (level + uniform + HALF)[unclear], side="right")
    return (found - level * photons).reshape(levels.shape)


@lru_cache(maxsize=8)
def _poisson(photons: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the cumulative probabilities of all levels, and how many of them are at most each end of an interval.

    The probabilities of at most 0, 1, ... ``photons`` - 1 photons stand in one ascending row for all levels, each with
    its level added. The ends of every level's intervals are arranged in the same way.
    """
    level = np.arange(WHITE + 1.0)[:, None]
    mean = level * (photons / WHITE)
    none = np.array([[math.exp(-value)] for value in mean[:, 0]])
    exactly = np.concatenate((none, mean / np.arange(1.0, photons)), axis=1).cumprod(axis=1)
    chances = (level + exactly.cumsum(axis=1).clip(max=1)).ravel()
    ends = np.arange((WHITE + 1) * BUCKETS + 1) / BUCKETS
    return chances, np.searchsorted(chances, ends, side="right")

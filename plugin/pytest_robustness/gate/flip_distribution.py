"""The distribution of a sum of differences when each is as likely to have the opposite sign: one tail of it, or all.

Standard library and numpy only.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Size of the test's grid: the steps of the sum of all differences, and the least steps of an average difference.
GRID, RESOLUTION = 2**16, 8
#: Largest number of differences times cells for which the distribution is added up image by image (about 0.1 s).
ADDED_UP = 2**26
#: Half the width of the computed window of a distribution, in units of the root of the sum of squares. Hoeffding's
#: inequality bounds what lies outside by 2 exp(-2 x 5 x 5) = 4e-22.
HALF_WIDTH = 5
#: Frequencies whose amplitude is below exp(-50) = 2e-22 are left out, and sums too unlikely for a float.
NEGLIGIBLE, UNDERFLOW = -50.0, -740.0
#: The smallest probability in ``table``. Larger ones are right to within 1 %.
FLOOR = 1e-10
#: Number of sizes whose factors are multiplied before frequencies are left out.
CHUNK = 16


def on_grid(differences: Sequence[int] | Ints) -> Ints:
    """Return differences as small whole numbers: divided by their greatest common divisor, and rounded to fit the grid.

    The absolute values alone decide the divisor and the grid. So when a difference changes its sign, its number here
    does, too. Differences are rounded, by at most half a step, when their sum has at least 2 ``GRID`` steps and an
    average difference has at least 2 ``RESOLUTION`` steps.
    """
    values: Ints = np.asarray(differences, dtype=np.int64)
    if not values.any():
        return np.zeros(len(values), np.int64)
    values = values // np.gcd.reduce(values)
    count = int(np.count_nonzero(values))
    step = max(1, int(np.abs(values).sum()) // max(GRID, RESOLUTION * count))
    rounded: Ints = np.rint(values / step).astype(np.int64)
    return rounded


class FlipDistribution:
    """Computes the distribution of the sum of the drawn sizes, when each size is drawn with probability 1/2.

    A sum of differences with random signs is twice that sum, minus the sum of all sizes. Repeated sizes cost little.

    Attributes:
        total: the sum of all sizes.
    """

    def __init__(self, sizes: Ints) -> None:
        """Take ``sizes``: positive integers, in any order, at least one."""
        self.counts: Ints = np.bincount(sizes)
        self.sizes: Ints = np.flatnonzero(self.counts)
        self.counts = self.counts[self.sizes]
        self.total = int(self.sizes @ self.counts)
        self.images = int(self.counts.sum())

    def at_least(self, drawn: int) -> float:
        """Return the probability that the sum is ``drawn`` or more, but never less than the smallest normal float.

        It is exact to the last digits of a float, also far out in the tail. The distribution is added up image by image
        where that is quick. Otherwise it is a binomial tail for sizes that are all equal, or a Fourier sum of the
        distribution tilted towards ``drawn``, whose relative error is 1e-9 or less.

        Source of the tilt: Esscher, "On the probability function in the collective theory of risk".
        """
        if self._quick:
            return _positive(float(self._added_up[drawn:].sum()))
        if 2 * drawn < self.total:  # the smaller tail is the accurate one; the distribution is symmetric
            tail, tie = self._upper(self.total - drawn)
            return min(1.0, 1 - tail + tie)
        return _positive(self._upper(drawn)[0])

    def table(self) -> Floats:
        """Return (total + 1,) probabilities: for each sum, that of this sum or more, but never less than ``FLOOR``."""
        if self._quick:
            chances = self._added_up
        else:
            chances = np.zeros(self.total + 1)
            start, known = self._tilted(0.0, self.total // 2)
            chances[start : start + len(known)] = known
        tails = np.cumsum(chances[::-1])[::-1]
        return np.clip(np.maximum.accumulate(tails[::-1])[::-1], FLOOR, 1.0)

    @property
    def _quick(self) -> bool:
        return self.images * self.total <= ADDED_UP

    @cached_property
    def _added_up(self) -> Floats:
        """Return (total + 1,) probabilities, one for each sum."""
        chances = np.zeros(self.total + 1)
        chances[0] = 1
        reach = 0
        for size, count in zip(self.sizes.tolist(), self.counts.tolist(), strict=True):
            for _ in range(count):
                reach += size
                chances[: reach + 1] *= 0.5
                chances[size : reach + 1] += chances[: reach + 1 - size].copy()
        return chances

    def _upper(self, drawn: int) -> tuple[float, float]:
        """Return the probabilities of ``drawn`` or more, and of exactly ``drawn``.

        ``drawn`` is at least half of the total.
        """
        if len(self.sizes) == 1:
            return _binomial(self.images, drawn // int(self.sizes[0]))
        tilt = self._tilt(drawn)
        # log of the mean of exp(tilt x (sum - drawn)): the mean bounds the probability from above, and is its scale
        log_scale = float(self.counts @ (np.logaddexp(0, tilt * self.sizes) - math.log(2))) - tilt * drawn
        if log_scale < UNDERFLOW:
            return 0.0, 0.0
        start, chances = self._tilted(tilt, drawn)
        above = chances[drawn - start :]
        scale = math.exp(log_scale)
        return scale * float(above @ np.exp(-tilt * np.arange(len(above)))), scale * float(above[0])

    def _tilt(self, drawn: int) -> float:
        """Return the tilt that makes ``drawn`` the mean, found by bisection. Its error does not affect the result."""
        low, high = 0.0, 64.0
        for _ in range(60):
            tilt = (low + high) / 2
            mean = float(self.counts @ (self.sizes / (1 + np.exp(-tilt * self.sizes))))
            low, high = (tilt, high) if mean < drawn else (low, tilt)
        return low

    def _tilted(self, tilt: float, middle: int) -> tuple[int, Floats]:
        """Return the first sum of a window around ``middle``, and the probabilities of the sums in it, under a tilt.

        The tilt multiplies the probability of a sum by exp(tilt) for each step up, and makes ``middle`` the mean. The
        window is one period of a discrete Fourier transform.
        """
        spread = math.sqrt(float(self.counts @ np.square(self.sizes)))
        period = 1 << math.ceil(math.log2(min(self.total + 1, 2 * HALF_WIDTH * spread + 2)))
        frequencies = np.arange(period // 2 + 1)
        log_amplitude, phase = np.zeros(len(frequencies)), np.zeros(len(frequencies))
        order = np.lexsort((-self.sizes, -self.counts))  # sizes that repeat reduce the amplitude most
        for begin in range(0, len(order), CHUNK):
            sizes, counts = (part[order[begin : begin + CHUNK], None] for part in (self.sizes, self.counts))
            drawn = 1 / (1 + np.exp(-tilt * sizes))
            angles = 2 * math.pi / period * (sizes * frequencies % period)
            real, imaginary = 1 - drawn + drawn * np.cos(angles), drawn * np.sin(angles)
            power = np.maximum(np.square(real) + np.square(imaginary), sys.float_info.min)
            log_amplitude += (counts * np.log(power)).sum(0) / 2
            phase += (counts * np.arctan2(imaginary, real)).sum(0)
            kept = log_amplitude > NEGLIGIBLE
            frequencies, log_amplitude, phase = frequencies[kept], log_amplitude[kept], phase[kept]
        start = max(0, middle - period // 2)
        phase -= 2 * math.pi / period * (start * frequencies % period)
        spectrum = np.zeros(period // 2 + 1, dtype=np.complex128)
        spectrum[frequencies] = np.exp(log_amplitude - 1j * phase)
        return start, np.fft.irfft(spectrum, period)[: self.total + 1 - start]


def _binomial(trials: int, successes: int) -> tuple[float, float]:
    """Return the probabilities of ``successes`` or more, and of exactly ``successes``, in trials of probability 1/2.

    At least half of the trials must succeed. The first term is a whole number divided by a power of two, and the others
    follow from their ratios.
    """
    ways = math.comb(trials, successes)
    shift = max(0, ways.bit_length() - 64)
    first = math.ldexp(float(ways >> shift), shift - trials)
    more = np.arange(successes, trials)
    ratios = np.cumprod((trials - more) / (more + 1))
    return first * (1 + float(ratios.sum())), first


def _positive(chance: float) -> float:
    return min(1.0, max(chance, sys.float_info.min))

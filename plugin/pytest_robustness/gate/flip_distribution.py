"""The distribution of a sum of differences when each is as likely to be its opposite: one tail of it, or all.

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

#: The sum of all differences, in steps of the test's grid; and the steps that an average difference has at least.
GRID, RESOLUTION = 2**16, 8
#: Up to so many differences times cells the distribution is added up image by image (about 0.1 s).
ADDED_UP = 2**26
#: Half the width of what is computed of a distribution, in roots of the sum of squares. Hoeffding's inequality bounds
#: what lies outside by 2 exp(-2 x 5 x 5) = 4e-22.
HALF_WIDTH = 5
#: Frequencies whose amplitude is below exp(-50) = 2e-22 are left out, and sums more unlikely than floats can say.
NEGLIGIBLE, UNDERFLOW = -50.0, -740.0
#: ``table`` tells no smaller probabilities apart; those above are right to within 1 %.
FLOOR = 1e-10
#: Sizes whose factors are multiplied before frequencies are left out.
CHUNK = 16


def on_grid(differences: Sequence[int] | Ints) -> Ints:
    """Return differences as small whole numbers: divided by what divides all of them, and rounded to fit the grid.

    The absolute values alone decide the unit and the grid, so differences that change their sign change it here, too.
    Differences are rounded where their sum exceeds ``GRID`` steps and an average difference has more than
    ``RESOLUTION`` steps, by at most half a step.
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
    """The sum of the sizes that are drawn, when each is drawn with probability 1/2.

    A sum of differences with random signs is twice that, less the sum of all sizes. Sizes that repeat cost little.

    Attributes:
        total: the sum of all sizes.
    """

    def __init__(self, sizes: Ints) -> None:
        """``sizes`` are positive integers, in any order; not empty."""
        self.counts: Ints = np.bincount(sizes)
        self.sizes: Ints = np.flatnonzero(self.counts)
        self.counts = self.counts[self.sizes]
        self.total = int(self.sizes @ self.counts)
        self.images = int(self.counts.sum())

    def at_least(self, drawn: int) -> float:
        """Return the probability that the sum is ``drawn`` or more, at least the smallest positive float.

        Exact to the last digits of a float, also far out: added up image by image where that is quick, otherwise a
        binomial tail for sizes that are all equal, or a Fourier sum of the distribution tilted towards ``drawn``, whose
        relative error is 1e-9 or less.

        Source of the tilt: Esscher, "On the probability function in the collective theory of risk".
        """
        if self._quick:
            return _positive(float(self._added_up[drawn:].sum()))
        if 2 * drawn < self.total:  # the smaller tail is the sure one; the distribution is symmetric
            tail, tie = self._upper(self.total - drawn)
            return min(1.0, 1 - tail + tie)
        return _positive(self._upper(drawn)[0])

    def table(self) -> Floats:
        """Return (total + 1,): of each sum the probability of it or more, and ``FLOOR`` for any below it."""
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
        """(total + 1,): the probability of each sum."""
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
        """The probabilities of ``drawn`` or more, and of ``drawn``; at least half of the total is drawn."""
        if len(self.sizes) == 1:
            return _binomial(self.images, drawn // int(self.sizes[0]))
        tilt = self._tilt(drawn)
        # of exp(tilt x (sum - drawn)) on average: an upper bound of the probability, and its scale
        log_scale = float(self.counts @ (np.logaddexp(0, tilt * self.sizes) - math.log(2))) - tilt * drawn
        if log_scale < UNDERFLOW:
            return 0.0, 0.0
        start, chances = self._tilted(tilt, drawn)
        above = chances[drawn - start :]
        scale = math.exp(log_scale)
        return scale * float(above @ np.exp(-tilt * np.arange(len(above)))), scale * float(above[0])

    def _tilt(self, drawn: int) -> float:
        """The tilt that makes ``drawn`` the mean, by bisection; how near it comes has no say in the result."""
        low, high = 0.0, 64.0
        for _ in range(60):
            tilt = (low + high) / 2
            mean = float(self.counts @ (self.sizes / (1 + np.exp(-tilt * self.sizes))))
            low, high = (tilt, high) if mean < drawn else (low, tilt)
        return low

    def _tilted(self, tilt: float, middle: int) -> tuple[int, Floats]:
        """The probabilities of the sums around ``middle``, the mean, when larger sums are exp(tilt) times as likely.

        The window is one period of a discrete Fourier transform. Returns its first sum and the probabilities.
        """
        spread = math.sqrt(float(self.counts @ np.square(self.sizes)))
        period = 1 << math.ceil(math.log2(min(self.total + 1, 2 * HALF_WIDTH * spread + 2)))
        frequencies = np.arange(period // 2 + 1)
        log_amplitude, phase = np.zeros(len(frequencies)), np.zeros(len(frequencies))
        order = np.lexsort((-self.sizes, -self.counts))  # sizes that repeat damp most
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
    """The probabilities of so many successes or more, and of so many, at 1/2 each; at least half of them succeed.

    The first term is a whole number divided by a power of two, the others follow from their ratios.
    """
    ways = math.comb(trials, successes)
    shift = max(0, ways.bit_length() - 64)
    first = math.ldexp(float(ways >> shift), shift - trials)
    more = np.arange(successes, trials)
    ratios = np.cumprod((trials - more) / (more + 1))
    return first * (1 + float(ratios.sum())), first


def _positive(chance: float) -> float:
    return min(1.0, max(chance, sys.float_info.min))

"""Tests and intervals of paired evidence: the same images, two runs. The image is the unit.

Differences are per image, positive where the image got worse. Standard library and numpy only.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

#: Of the intervals that are shown.
CONFIDENCE = 0.95
#: The sum of all differences, in steps of the test's grid; and the steps that an average difference has at least.
GRID, RESOLUTION = 2**16, 8

Interval = tuple[float, float]


def sign_flip(differences: Sequence[int]) -> float:
    """One-sided p value that the differences' sum is so large, when each is as likely to be its opposite.

    Fisher's randomisation test, exact: the distribution over all 2 ** N signs is added up image by image. Zeros have
    no say. For differences of 1 and -1 it is McNemar's exact test. Differences so large that the sum would exceed the
    grid are rounded to fit, by at most half a step; the test stays exact, it is that of the rounded differences.

    Source: Fisher, "The Design of Experiments", section 21.
    """
    values = np.asarray(differences, dtype=np.int64)
    values = values[values != 0]
    if not len(values):
        return 1.0
    values //= np.gcd.reduce(values)
    step = max(1, int(np.abs(values).sum()) // max(GRID, RESOLUTION * len(values)))
    values = np.rint(values / step).astype(np.int64)
    sizes = np.sort(np.abs(values))
    chances = np.zeros(int(sizes.sum()) + 1)  # of each sum of those that got worse
    chances[0] = 1
    reach = 0
    for size in sizes.tolist():
        reach += size
        chances[: reach + 1] *= 0.5
        chances[size : reach + 1] += chances[: reach + 1 - size].copy()
    worse = int(values[values > 0].sum())
    return min(1.0, max(float(chances[worse:].sum()), sys.float_info.min))


def images_to_settle(differences: Sequence[int], images: int, level: float) -> int | None:
    """How many images would make a change of this size significant at ``level``, or None if none would.

    From the normal approximation, z = sum / sqrt(sum of squares), which grows with the square root of the number of
    images.
    """
    values = np.asarray(differences, dtype=float)
    if values.sum() <= 0:
        return None
    z = float(values.sum()) / math.sqrt(float(np.square(values).sum()))
    return max(images + 1, math.ceil(images * (_z(1 - level) / z) ** 2))


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Of a rate, Wilson's score interval; ``trials`` is positive.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference".
    """
    z = _z((1 + confidence) / 2)
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_rates(both: int, lost: int, won: int, neither: int, confidence: float = CONFIDENCE) -> Interval:
    """Of the change of a rate on the same images, (lost - won) / all.

    Args:
        both, lost, won, neither: images that count in both runs, in the second, in the first, in none; not all zero.

    Source: Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired
    data", method 10.
    """
    images = both + lost + won + neither
    before, after = (both + won) / images, (both + lost) / images
    low_before, high_before = wilson(both + won, images, confidence)
    low_after, high_after = wilson(both + lost, images, confidence)
    margins = (both + won) * (lost + neither) * (both + lost) * (won + neither)
    product: float = both * neither - lost * won
    if product > 0:
        product = max(product - images / 2, 0.0)
    phi = product / math.sqrt(margins) if margins else 0.0

    def reach(up: float, down: float) -> float:
        return math.sqrt(max(0.0, up * up - 2 * phi * up * down + down * down))

    change = after - before
    low = change - reach(after - low_after, high_before - before)
    high = change + reach(high_after - after, before - low_before)
    return max(-1.0, low), min(1.0, high)


def relative_change(before: Sequence[float], after: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Of mean(after) / mean(before) - 1 on the same images, from the ratio estimator's normal approximation.

    Of a single image nothing is known: None. Source: Cochran, "Sampling Techniques", section 6.4.
    """
    then, now = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    ratio = float(now.mean() / then.mean())
    if len(then) < 2:
        return None
    error = float(np.std(now - ratio * then, ddof=1)) / math.sqrt(len(then)) / float(then.mean())
    z = _z((1 + confidence) / 2)
    return ratio - 1 - z * error, ratio - 1 + z * error


def log_change(logs: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Of exp(mean) - 1, the change that logarithms of ratios after / before say.

    From the normal approximation of their mean. Of a single image nothing is known: None.
    """
    if len(logs) < 2:
        return None
    array = np.asarray(logs, dtype=float)
    reach = _z((1 + confidence) / 2) * float(array.std(ddof=1)) / math.sqrt(len(array))
    middle = float(array.mean())
    return math.expm1(middle - reach), math.expm1(middle + reach)


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Of a mean of values that are not negative, by the normal approximation; of fewer than two nothing is known."""
    if len(values) < 2:
        return None
    array = np.asarray(values, dtype=float)
    reach = _z((1 + confidence) / 2) * float(array.std(ddof=1)) / math.sqrt(len(array))
    middle = float(array.mean())
    return max(0.0, middle - reach), middle + reach


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Of a median, between two of the values, whatever their distribution; None where they are too few.

    Source: Conover, "Practical Nonparametric Statistics", section 3.2.
    """
    ordered, count = sorted(values), len(values)
    reach = _z((1 + confidence) / 2) * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return (ordered[low - 1], ordered[high]) if low >= 1 and high < count else None


def pooled_change(sums: Sequence[int], cases: int, comparisons: int, confidence: float = CONFIDENCE) -> Interval:
    """Of sum(sums) / comparisons, where an image's sum is of differences in up to ``cases`` cases.

    Normal approximation, with the square of one image's largest sum added to the variance, so that images that all
    agree do not prove too much: half an observation in each cell, as Agresti and Min have it for a single case.

    Source: Agresti and Min, "Simple improved confidence intervals for comparing matched proportions".
    """
    values = np.asarray(sums, dtype=float)
    scatter = float(np.square(values - values.mean()).sum())
    error = math.sqrt(scatter + cases * cases) / comparisons
    z = _z((1 + confidence) / 2)
    middle = float(values.sum()) / comparisons
    return max(-1.0, middle - z * error), min(1.0, middle + z * error)


def _z(chance: float) -> float:
    return NormalDist().inv_cdf(chance)

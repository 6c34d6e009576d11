"""Tests and intervals of paired evidence: the same images in two runs. The image is the unit.

Differences are per image, positive where the image got worse. Standard library and numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from pytest_robustness.gate.flip_distribution import FlipDistribution, on_grid
from pytest_robustness.gate.student import degrees_of_freedom, sample_skewness, t_quantile, without_skewness

#: Confidence of the intervals that are shown.
CONFIDENCE = 0.95
#: A ratio that may be this many times smaller or larger than it looks counts as unknown.
UNKNOWN = 1000

Interval = tuple[float, float]


def sign_flip(differences: Sequence[int]) -> float:
    """Return the one-sided p value of the differences' sum, when each is as likely to have the opposite sign.

    It is Fisher's randomisation test over all 2 ** N signs. For differences of 1 and -1 it is McNemar's exact test.
    Zeros are dropped. The p value is exact to a relative 1e-9 at any size and in any tail (``flip_distribution`` says
    how). Differences so large that their sum would exceed the grid are rounded to fit, by at most half a step, and the
    test is that of the rounded differences. The smallest p value is the smallest normal float, not 0. Without
    differences it is 1.

    Source: Fisher, "The Design of Experiments", section 21.
    """
    values = on_grid(differences)
    values = values[values != 0]
    if not len(values):
        return 1.0
    return FlipDistribution(np.abs(values)).at_least(int(values[values > 0].sum()))


def images_to_settle(differences: Sequence[int], images: int, level: float, power: float = 0.8) -> int | None:
    """Return how many images would make a change of this size significant at ``level``. Returns None when none would.

    From the normal approximation: z = sum / sqrt(sum of squares) grows with the square root of the number of images. A
    new sample is significant with probability ``power`` when its expected z exceeds the critical one by the normal
    quantile of ``power``: 0.84 at 80 %.

    Args:
        differences: of each image, positive where it got worse; zeros may be left out.
        images: how many were compared, including those that did not change.
        level, power: between 0 and 1.
    """
    values = np.asarray(differences, dtype=float)
    if values.sum() <= 0:
        return None
    z = float(values.sum()) / math.sqrt(float(np.square(values).sum()))
    return max(images + 1, math.ceil(images * (max(0.0, _z(power) - _z(level)) / z) ** 2))


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a rate. ``trials`` is positive.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference".
    """
    z = _z((1 + confidence) / 2)
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_rates(both: int, lost: int, won: int, neither: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of the change of a rate on the same images, (lost - won) / all.

    Args:
        both, lost, won, neither: images that count in both runs, only in the second, only in the first, in neither; not
            all zero.

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
    """Return the interval of mean(after) / mean(before) - 1 on the same images.

    It is computed on the logarithmic scale, with the jackknife's standard error and a t quantile whose degrees of
    freedom allow for heavy tails. It covers 95.0, 95.4 and 95.3 % at 20, 50 and 100 images for the ratios of C&W's
    noise between the zoo's models (the normal approximation: 89, 92 and 93 %), 95 to 95.5 % for their distances and
    efforts. When only one image has a value that is not zero, the ratio estimator's error on the scale of the ratio is
    used instead.

    Args:
        before, after: of each image, not negative, in the same order; the mean before is positive.

    Returns None for a single image, and when so few images differ so much that the ratio may be ``UNKNOWN`` times
    smaller or larger.

    Sources: Cochran, "Sampling Techniques", sections 6.4 and 6.17; Tukey, "Bias and confidence in not-quite
    large samples".
    """
    baseline, current = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    count = len(baseline)
    if count < 2:
        return None
    ratio = float(current.mean() / baseline.mean())
    without_then, without_now = baseline.sum() - baseline, current.sum() - current
    if min(without_then.min() / baseline.sum(), without_now.min() / max(current.sum(), 1e-300)) <= 1e-12:
        error = float(np.std(current - ratio * baseline, ddof=1)) / math.sqrt(count) / float(baseline.mean())
        reach = t_quantile((1 + confidence) / 2, count - 1) * error
        return max(-1.0, ratio - 1 - reach), ratio - 1 + reach
    logs = np.log(without_now / without_then)
    error = math.sqrt(count - 1) * float(logs.std())  # the jackknife's
    reach = t_quantile((1 + confidence) / 2, degrees_of_freedom(logs)) * error
    if reach > math.log(UNKNOWN):
        return None
    return ratio * math.exp(-reach) - 1, ratio * math.exp(reach) - 1


def log_change(logs: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of exp(mean) - 1, the relative change, from logarithms of ratios after / before.

    It is Student's interval of their mean. It covers 95 % at 20 to 100 images for C&W's distances and noise between the
    zoo's models. Returns None for a single image, and when so few images differ so much that the ratio may be
    ``UNKNOWN`` times smaller or larger.
    """
    if len(logs) < 2:
        return None
    array = np.asarray(logs, dtype=float)
    count = len(array)
    reach = t_quantile((1 + confidence) / 2, count - 1) * float(array.std(ddof=1)) / math.sqrt(count)
    middle = float(array.mean())
    if reach > math.log(UNKNOWN):
        return None
    return math.expm1(middle - reach), math.expm1(middle + reach)


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of a mean of values that are not negative. Returns None for fewer than two values.

    It is Student's t, corrected for skewness by Hall's transformation, with degrees of freedom that allow for heavy
    tails. It covers 93 to 95 % at 20 images, 94.5 to 95.5 % at 50 and 100, for the noise, distances and efforts of the
    zoo's models (the normal approximation covers 85 to 92 % of the noise's means).

    Source: Hall, "On the removal of skewness by transformation".
    """
    count = len(values)
    if count < 2:
        return None
    array = np.asarray(values, dtype=float)
    middle, error = float(array.mean()), float(array.std(ddof=1)) / math.sqrt(count)
    if error <= 1e-12 * middle:
        return middle, middle
    t = t_quantile((1 + confidence) / 2, degrees_of_freedom(array))
    skewness = sample_skewness(array)
    return (
        max(0.0, middle - without_skewness(t, skewness, count) * error),
        middle - without_skewness(-t, skewness, count) * error,
    )


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval of a median, between two of the values, whatever their distribution.

    Returns None when there are too few values.

    Source: Conover, "Practical Nonparametric Statistics", section 3.2.
    """
    ordered, count = sorted(values), len(values)
    reach = _z((1 + confidence) / 2) * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return (ordered[low - 1], ordered[high]) if low >= 1 and high < count else None


def pooled_change(sums: Sequence[int], cases: int, comparisons: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of sum(sums) / comparisons, where an image's sum is of differences in up to ``cases`` cases.

    It is a normal approximation with the square of one image's largest sum added to the variance. Otherwise images that
    all agree would prove too much. This is half an observation in each cell, as Agresti and Min propose for a single
    case.

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

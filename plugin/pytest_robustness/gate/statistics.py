"""Tests of paired evidence: the same images, two runs."""

from __future__ import annotations

import math

from scipy.stats import binomtest, norm


def mcnemar(lost: int, won: int) -> float:
    """One-sided p value that as many or more images are lost, when lost and won are equally likely.

    The exact form of McNemar's test: of the images whose outcome changed, each is lost with probability 1/2.
    """
    return float(binomtest(lost, lost + won, 0.5, alternative="greater").pvalue) if lost + won else 1.0


def images_to_settle(lost: int, won: int, images: int, level: float) -> int | None:
    """How many images would make a change of this size significant at ``level``, or None if none would.

    From the normal approximation of McNemar's statistic, z = (lost - won) / sqrt(lost + won), which grows with the
    square root of the number of images.
    """
    if lost <= won:
        return None
    z = (lost - won) / math.sqrt(lost + won)
    return max(images + 1, math.ceil(images * (float(norm.isf(level)) / z) ** 2))

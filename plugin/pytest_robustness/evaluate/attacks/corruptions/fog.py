"""Fog: a cloud of fractal noise over the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.evaluate.attacks.corruptions.base import WHITE, Corruption, Draws, Levels, Values
from pytest_robustness.evaluate.attacks.corruptions.tables import Constants

#: Sets the size of the heights that are drawn at the coarsest step. Only ratios matter, because heights are scaled to
#: [0, 1] in the end.
COARSEST = 100.0


class Fog(Corruption):
    """Add a cloud, then scale the image so that its largest value stays the largest.

    The first constant is the cloud's thickness. The second says by how much finer detail is weaker.
    """

    kind = "fog"

    def count(self, shape: Sequence[int]) -> int:
        return _side(shape) ** 2 - 1

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        thickness, decay = constants
        height, width = levels.shape[2:]
        cloud = clouds(drawn, _side(levels.shape), decay)[:, None, :height, :width]
        largest = levels.max(axis=(1, 2, 3), keepdims=True).astype(np.float64)
        whole = thickness * WHITE
        foggy: Values = (levels + whole * cloud) * (largest / (largest + whole))
        return foggy


def _side(shape: Sequence[int]) -> int:
    """Return the smallest power of two that is at least as large as height and width."""
    return 1 << (max(shape[-2:]) - 1).bit_length()


def clouds(drawn: Draws, side: int, decay: float) -> NDArray[np.float64]:
    """Return (n, side, side) heights in [0, 1] of landscapes that continue at the opposite edge.

    They are made by midpoint displacement. The middle of each square gets the mean of its corners and a random height.
    Then the middle of each edge gets the mean of its two ends and the two middles beside it and a random height. This
    is repeated with squares of half the side and random heights smaller by ``decay`` squared. Only sums and products of
    whole arrays are used, so an image's cloud does not depend on the others.

    Source: Fournier, Fussell and Carpenter, "Computer Rendering of Stochastic Models", CACM 1982, in the variant with
    squares and diamonds.

    Args:
        drawn: (n, side ** 2 - 1) in [0, 1).
        side: a power of two.
        decay: above 1 for smooth clouds.
    """
    heights = np.zeros((len(drawn), side, side))
    random = drawn.astype(np.float64) * 2 - 1
    step, size = side, COARSEST**2
    while step > 1:
        half, count = step // 2, (side // step) ** 2
        shape = (len(drawn), side // step, side // step)
        middles, across, down = (
            random[:, index * count : (index + 1) * count].reshape(shape) * size for index in range(3)
        )
        random = random[:, 3 * count :]
        corners = heights[:, ::step, ::step]
        ends_across = corners + _next(corners, 2)
        middles += (ends_across + _next(ends_across, 1)) / 4
        across += (ends_across + middles + _previous(middles, 1)) / 4
        down += (corners + _next(corners, 1) + middles + _previous(middles, 2)) / 4
        heights[:, half::step, half::step] = middles
        heights[:, ::step, half::step] = across
        heights[:, half::step, ::step] = down
        step, size = half, size / decay**2
    heights -= heights.min(axis=(1, 2), keepdims=True)
    heights /= heights.max(axis=(1, 2), keepdims=True).clip(min=np.finfo(np.float64).tiny)
    return heights


def _next(heights: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.roll(heights, -1, axis)


def _previous(heights: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.roll(heights, 1, axis)

"""Blur of a lens out of focus, of motion, and by a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.corruptions.base import Corruption, Draws, Levels, Values
from pytest_robustness.evaluate.attacks.corruptions.filters import Filter, Kernel, gaussian
from pytest_robustness.evaluate.attacks.corruptions.tables import Constants

#: How many standard deviations from its middle a Gaussian is cut off.
TRUNCATE = 4.0
#: Reach of the grid on which the disk of a lens is drawn, unless the disk is larger.
DISK = 8
#: The largest angle between a motion's direction and the horizontal, in degrees.
SLANT = 45.0


class GaussianBlur(Corruption):
    """Blur an image by a Gaussian with the given standard deviation, in pixels.

    Beyond its edge an image is continued with its last pixel.
    """

    kind = "gaussian_blur"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        (sigma,) = constants
        height, width = levels.shape[2:]
        down, across = _weights(height, sigma), _weights(width, sigma).T
        # each image in memory of its own, because its address decides how a product of matrices is rounded
        images = (torch.from_numpy(image).double() for image in levels)
        return np.stack([torch.matmul(down, image @ across).numpy() for image in images])


@lru_cache(maxsize=16)
def _weights(size: int, sigma: float) -> Tensor:
    """Return (size, size) weights: row i has those of a line's pixels in its blurred pixel i."""
    reach = int(TRUNCATE * sigma + 0.5)
    places, weights = np.arange(size), np.zeros((size, size))
    for offset, weight in zip(range(-reach, reach + 1), gaussian(reach, sigma), strict=True):
        weights[places, np.clip(places + offset, 0, size - 1)] += weight  # each row once: no weight is lost
    return torch.from_numpy(weights)


class DefocusBlur(Corruption):
    """Blur an image by a disk. The first constant is its radius, the second the blur of the disk's edge.

    Beyond its edge an image is mirrored.
    """

    kind = "defocus_blur"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        height, width = levels.shape[2:]
        lens = _lens(*constants, height, width)
        return np.stack([lens(image, "reflect") for image in levels])


@lru_cache(maxsize=16)
def _lens(radius: float, edge: float, height: int, width: int) -> Filter:
    return Filter(disk(radius, edge), height, width)


def disk(radius: float, edge: float) -> Kernel:
    """Return the weights of a disk whose edge is blurred by a Gaussian of standard deviation ``edge``, in pixels.

    It is made as published. A small disk is drawn on a grid of 17 x 17 and blurred over 3 x 3. A large one is drawn on
    a grid that just holds it and blurred over 5 x 5. The grid, too, is mirrored at its own edge.
    """
    reach, near = (DISK, 1) if radius <= DISK else (math.ceil(radius), 2)
    line = np.arange(-reach, reach + 1)
    sharp = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float64)
    wide = np.pad(sharp / sharp.sum(), near, "reflect")
    blurred = np.zeros_like(sharp)
    for y, down in enumerate(gaussian(near, edge)):
        for x, across in enumerate(gaussian(near, edge)):
            blurred += down * across * wide[y : y + len(line), x : x + len(line)]
    return blurred


class MotionBlur(Corruption):
    """Smear an image along a line with a random direction, at most 45 degrees off the horizontal.

    The first constant is a radius, and the line is twice as long. The weights along it are half a Gaussian whose
    standard deviation is the second constant, cut off where they are negligible. Beyond its edge an image is continued
    with its last pixel. The published data sets were made by another program's motion blur, and these pixels are not
    equal to theirs.
    """

    kind = "motion_blur"

    def count(self, shape: Sequence[int]) -> int:
        return 1

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        radius, sigma = constants
        height, width = levels.shape[2:]
        angles = [math.radians((2 * number - 1) * SLANT) for number in drawn[:, 0].tolist()]
        motions = [Filter(smear(int(radius), sigma, angle), height, width) for angle in angles]
        return np.stack([motion(image, "edge") for image, motion in zip(levels, motions, strict=True)])


def smear(radius: int, sigma: float, angle: float) -> Kernel:
    """Return the weights, of sum 1, of a motion at an angle in radians.

    Points on the line are one pixel apart. The weight of a point between pixels is shared by the four around it.
    """
    reach = min(2 * radius, int(TRUNCATE * sigma + 0.5))
    side = 2 * reach + 1
    along = np.arange(reach + 1.0)
    weights = gaussian(reach, sigma)[reach:]
    y, x = reach + along * math.sin(angle), reach + along * math.cos(angle)
    top, left = np.minimum(np.floor(y), side - 2), np.minimum(np.floor(x), side - 2)
    down, right = y - top, x - left
    corner = (top * side + left).astype(np.intp)
    places = np.concatenate((corner, corner + 1, corner + side, corner + side + 1))
    shares = np.concatenate(((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right))
    kernel = np.zeros(side * side)
    np.add.at(kernel, places, shares * np.tile(weights / weights.sum(), 4))
    return kernel.reshape(side, side)

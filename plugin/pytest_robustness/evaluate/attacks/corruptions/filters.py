"""Filters: weighted sums over the pixels around each pixel, for kernels of any shape."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: (2 reach + 1, 2 reach + 1) weights.
Kernel = NDArray[np.float64]
#: How an image is continued beyond its edge: mirrored at its last pixel, or with its last pixel.
Border = Literal["reflect", "edge"]

#: Weights up to this one are dropped. A thousand of them together change less than a millionth of a level.
NEGLIGIBLE = 1e-12
#: Up to this number of weights, summing up one by one is faster than Fourier transforms.
FEW = 12


def gaussian(reach: int, sigma: float) -> NDArray[np.float64]:
    """Return the weights, of sum 1, of a Gaussian at the whole numbers from ``-reach`` to ``reach``."""
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-reach, reach + 1)]
    return np.array(weights, np.float64) / np.float64(math.fsum(weights))


class Filter:
    """Applies a kernel to images of one size.

    Few weights are summed up one by one. More are applied by Fourier transforms. These wrap around at the edges, which
    spoils only values that are cut away.

    Args:
        kernel: square weights with an odd side; negligible ones are dropped.
        height, width: size of the images.
    """

    def __init__(self, kernel: Kernel, height: int, width: int) -> None:
        reach = len(kernel) // 2
        rows, columns = np.nonzero(kernel > NEGLIGIBLE)
        self._reach = int(max(np.abs(rows - reach).max(), np.abs(columns - reach).max()))
        cut = slice(reach - self._reach, reach + self._reach + 1)
        self._kernel, self._height, self._width = kernel[cut, cut], height, width
        self._size = _fast(height + 2 * self._reach), _fast(width + 2 * self._reach)
        self._direct = len(rows) <= FEW
        if not self._direct:
            self._spectrum = np.fft.rfft2(self._kernel, self._size)

    def __call__(self, image: NDArray[np.uint8], border: Border) -> NDArray[np.float64]:
        """Return an image (C, H, W) convolved with the kernel."""
        reach, height, width = self._reach, self._height, self._width
        rows, columns = _around(height, reach, border), _around(width, reach, border)
        wide = image.take(rows, axis=1).take(columns, axis=2).astype(np.float64)
        if not self._direct:
            found: NDArray[np.float64] = np.fft.irfft2(np.fft.rfft2(wide, self._size) * self._spectrum, self._size)
            return found[:, 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
        total = np.zeros(image.shape)
        for row, column in np.argwhere(self._kernel > NEGLIGIBLE).tolist():
            top, left = 2 * reach - row, 2 * reach - column
            total += self._kernel[row, column] * wide[:, top : top + height, left : left + width]
        return total


@lru_cache(maxsize=32)
def _around(size: int, reach: int, border: Border) -> NDArray[np.intp]:
    """Return which pixels of a line stand at the places ``-reach`` to ``size + reach - 1``."""
    return np.pad(np.arange(size), reach, border)


@lru_cache(maxsize=256)
def _fast(size: int) -> int:
    """Return the least number from ``size`` on that has no prime factor above 5, because such transforms are fast."""
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1

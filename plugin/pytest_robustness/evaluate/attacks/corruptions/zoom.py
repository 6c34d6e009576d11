"""Zoom blur, as of a camera that is moved towards its subject."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pytest_robustness.evaluate.attacks.corruptions.base import Corruption, Draws, Levels, Values
from pytest_robustness.evaluate.attacks.corruptions.tables import Constants

#: Planes are enlarged side by side in multiples of this number, so that each is computed by the same instructions.
WIDTH = 8


class ZoomBlur(Corruption):
    """Take the mean of an image and of itself enlarged by factors from 1 to below the first constant.

    The second constant is the step between factors. The image enlarged by 1 counts in addition to the image itself, as
    published.
    """

    kind = "zoom_blur"

    def together(self, shape: Sequence[int]) -> int:
        return max(WIDTH, 2 * super().together(shape))

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        factors = np.arange(1, *constants).tolist()  # the last one may be the end itself, by rounding, as published
        count, (height, width) = levels.shape[0] * levels.shape[1], levels.shape[2:]
        pixels = np.zeros((height, width, -(-count // WIDTH) * WIDTH))
        pixels[..., :count] = levels.reshape(count, height, width).transpose(1, 2, 0)
        planes = torch.from_numpy(pixels).permute(2, 0, 1)
        total = planes.clone()
        for factor in factors:
            total += enlarged(planes, factor)
        found: Values = total[:count].div_(len(factors) + 1).numpy().reshape(levels.shape)
        return found


def enlarged(planes: Tensor, factor: float) -> Tensor:
    """Return the middle of planes (n, H, W), enlarged to their size.

    A part of at least the size divided by the factor is cut out. It is enlarged by linear interpolation, so that the
    middles of its outer pixels are those of the outer pixels of the result. Then it is cut to the planes' size.
    """
    height, width = planes.shape[1:]
    part = [math.ceil(size / factor) for size in (height, width)]
    top, left = (height - part[0]) // 2, (width - part[1]) // 2
    cut = planes[None, :, top : top + part[0], left : left + part[1]]
    cut = cut.contiguous(memory_format=torch.channels_last)  # else the planes are enlarged one by one
    size = [round(side * factor) for side in part]
    large = interpolate(cut, size=size, mode="bilinear", align_corners=True)[0]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return large[:, top : top + height, left : left + width]

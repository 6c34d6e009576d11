"""Corruptions of colour: brightness, contrast and saturation."""

from __future__ import annotations

import numpy as np

from pytest_robustness.evaluate.attacks.corruptions.base import WHITE, Corruption, Draws, Levels, Values
from pytest_robustness.evaluate.attacks.corruptions.tables import Constants


class Brightness(Corruption):
    """Raise the value of HSV, the largest of a pixel's channels, by the given constant in units of [0, 1].

    Hue and saturation stay, so a pixel's channels stay in proportion. Black becomes grey.
    """

    kind = "brightness"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        (raised,) = constants
        value = levels.max(axis=1, keepdims=True).astype(np.float64)
        brighter = np.minimum(value + WHITE * raised, WHITE)
        answer: Values = np.where(value > 0, levels * (brighter / np.maximum(value, 1)), brighter)
        return answer


class Saturate(Corruption):
    """Multiply the saturation of HSV by the first constant, add the second, and cut it to [0, 1].

    Saturation is ``1 - min / max`` over a pixel's channels. At the same hue and value each channel's distance to the
    value is proportional to it. A grey pixel, which has no hue, counts as red.
    """

    kind = "saturate"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        factor, added = constants
        value = levels.max(axis=1, keepdims=True).astype(np.float64)
        missing = value - levels
        spread = missing.max(axis=1, keepdims=True)
        saturation = spread / np.maximum(value, 1)
        wanted = np.clip(saturation * factor + added, 0, 1) * value
        red = np.zeros((1, levels.shape[1], 1, 1))
        red[:, 1:] = 1
        answer: Values = value - np.where(spread > 0, missing / np.maximum(spread, 1), red) * wanted
        return answer


class Contrast(Corruption):
    """Multiply each value's distance to its channel's mean over the image by the given share."""

    kind = "contrast"

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values:
        (share,) = constants
        height, width = levels.shape[2:]
        mean = levels.sum(axis=(2, 3), keepdims=True, dtype=np.int64) / (height * width)
        answer: Values = (levels - mean) * share + mean
        return answer

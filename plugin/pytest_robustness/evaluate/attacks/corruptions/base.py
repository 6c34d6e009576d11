"""The base of all corruptions.

A corruption is a pure function of an image's 8-bit pixels, a severity and numbers drawn for that image.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.corruptions.tables import SEVERITIES, Constants, constants_of, table_of
from pytest_robustness.evaluate.attacks.rows import Rows

#: (n, C, H, W), 0 to 255.
Levels = NDArray[np.uint8]
#: (n, C, H, W) float64 in units of a level; values below 0 or above 255 are cut off.
Values = NDArray[np.float64]
#: (n, count) float32 in [0, 1).
Draws = NDArray[np.float32]

WHITE = 255
#: Added before values are cut down to whole levels, so that a value that is whole except for rounding keeps its level.
GUARD = 1e-6
#: How many values are computed at once.
CHUNK = 2**15
DIGITS = 16


class Corruption(ABC):
    """Corrupts images in one way, as an attack whose only candidate is looked at once.

    Images are rounded to 8 bits before and cut down to 8 bits afterwards, as in the published data sets. All is
    computed on the CPU, in float64, so that the pixels are the same on every device. Processors, thread counts and
    libraries still round differently by about 1e-12 of a level, which the cut hides.

    Args:
        severity: 1 (weak) to 5 (strong).
    """

    kind: ClassVar[str]
    norm, gradient, looks_only = None, False, True

    def __init__(self, severity: int = 3) -> None:
        if type(severity) is not int or severity not in SEVERITIES:
            raise RobustnessError(f"severity: {severity!r} is not a whole number from 1 to 5")
        self.severity = severity

    def of_shape(self, shape: Sequence[int]) -> dict[str, str]:
        """Return the part of the protocol that follows from the images' shape: the table that severities refer to."""
        return {"table": table_of(shape)}

    def digest(self, image: Tensor) -> str:
        """Return a digest of an answer's pixels, because another library may round them differently."""
        return pixel_digest(image)

    def count(self, shape: Sequence[int]) -> int:
        """Return how many random numbers an image of shape (C, H, W) needs."""
        return 0

    def together(self, shape: Sequence[int]) -> int:
        """Return how many images of shape (C, H, W) are computed at once: few enough to stay in the cache."""
        return max(1, CHUNK // math.prod(shape))

    @abstractmethod
    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Values | Levels:
        """Return corrupted images, each from its own pixels and its own row of ``drawn`` alone.

        An operation must round an image in the same way whether it is computed alone or with others. Additions,
        multiplications, divisions and gathers may run over all images; anything else has to run image by image.
        """

    def corrupted(self, levels: Levels, drawn: Draws) -> Levels:
        """Corrupt 8-bit images (n, C, H, W) with 1 or 3 channels; ``drawn`` is (n, ``count``) in [0, 1).

        Raises RobustnessError for another number of channels.
        """
        shape = levels.shape[1:]
        if shape[0] not in (1, 3):
            raise RobustnessError(f"{self.kind}: images have {shape[0]} channels, and a corruption is of 1 or 3")
        constants = constants_of(self.kind, self.severity, table_of(shape))
        answer, size = np.empty_like(levels), self.together(shape)
        for first in range(0, len(levels), size):
            part = slice(first, first + size)
            answer[part] = whole_levels(self.apply(levels[part], constants, drawn[part]))
        return answer

    def start(self, rows: Rows) -> None:
        clean = rows.clean
        count = self.count(clean.shape[1:])
        drawn = rows.draw(0, count).cpu().numpy() if count else np.empty((len(clean), 0), np.float32)
        answer = torch.from_numpy(self.corrupted(levels_of(clean), drawn))
        rows["candidate"] = answer.to(clean.device).to(clean.dtype) / WHITE

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor | None, fooled: Tensor) -> Tensor:
        return torch.ones_like(fooled)


def levels_of(images: Tensor) -> Levels:
    """Return the nearest 8-bit pixels of images in [0, 1], in the same shape, on the CPU."""
    rounded = (images.detach().float() * WHITE).round().clamp(0, WHITE).to(torch.uint8)
    return np.ascontiguousarray(rounded.cpu().numpy())


def whole_levels(values: Values | Levels) -> Levels:
    """Cut values to 0..255 and down to whole levels, as in the published data sets: 17.9 becomes 17."""
    if values.dtype == np.uint8:
        return values  # type: ignore[return-value]
    return (values.clip(0, WHITE) + GUARD).astype(np.uint8)


def pixel_digest(image: Tensor) -> str:
    """Return 16 hexadecimal digits that identify an image's 8-bit pixels: the first ones of their sha256.

    Args:
        image: (C, H, W), uint8, or float in [0, 1], which is rounded.
    """
    levels = image.cpu().numpy() if image.dtype == torch.uint8 else levels_of(image)
    return sha256(levels.tobytes()).hexdigest()[:DIGITS]

"""Corruptions that come from storing and sending an image; they need Pillow."""

from __future__ import annotations

from abc import abstractmethod
from io import BytesIO
from types import ModuleType

import numpy as np

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.corruptions.base import Corruption, Draws, Levels
from pytest_robustness.evaluate.attacks.corruptions.tables import Constants


class _OfPillow(Corruption):
    """Corrupts images one by one with Pillow. Raises RobustnessError when Pillow is missing."""

    def __init__(self, severity: int = 3) -> None:
        super().__init__(severity)
        self.pillow = _pillow(self.kind)

    def apply(self, levels: Levels, constants: Constants, drawn: Draws) -> Levels:
        answer = np.empty_like(levels)
        for image, corrupted in zip(levels, answer, strict=True):
            pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
            found = np.asarray(self.picture(pixels, constants[0]))
            corrupted[:] = found if found.ndim == 2 else found.transpose(2, 0, 1)
        return answer

    @abstractmethod
    def picture(self, pixels: Levels, constant: float) -> object:
        """Return the corrupted picture of pixels (H, W) or (H, W, 3)."""


class Pixelate(_OfPillow):
    """Shrink an image's sides to the given share, and enlarge it to its old size again."""

    kind = "pixelate"

    def picture(self, pixels: Levels, constant: float) -> object:
        height, width = pixels.shape[:2]
        box = self.pillow.Resampling.BOX
        small = (max(1, int(width * constant)), max(1, int(height * constant)))
        return self.pillow.fromarray(pixels).resize(small, box).resize((width, height), box)


class JPEGCompression(_OfPillow):
    """Store an image as JPEG at the given quality, and read it again."""

    kind = "jpeg_compression"

    def picture(self, pixels: Levels, constant: float) -> object:
        file = BytesIO()
        self.pillow.fromarray(pixels).save(file, "JPEG", quality=int(constant))
        return self.pillow.open(file)


def _pillow(kind: str) -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise RobustnessError(f"{kind} needs Pillow: pip install 'pytest-robustness[corruptions]'") from None
    return Image

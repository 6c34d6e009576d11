"""Two arrays on disk, ``.npy``: images and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.image_set import LEVELS
from pytest_robustness.evaluate.images.sources.base import Source, numbered
from pytest_robustness.mistaken import mistaken

CHANNELS = (1, 3)


def source(images: Path, labels: Path, classes: list[str] | None = None) -> Source:
    """Return the images and labels of two files.

    Args:
        images: (N, H, W), (N, H, W, C) or (N, C, H, W) of 1 or 3 channels: whole numbers from 0 to 255, or
            floating-point numbers in [0, 1], which are rounded to the nearest level of 8 bits, or black and white.
        labels: (N,) or (N, 1) integers from 0.
        classes: names of the labels.

    Raises RobustnessError, which names the file, for anything else.
    """
    pixels, given = _read(images), _read(labels)
    last = _channels_last(images, pixels)
    one_hot = given.ndim == 2 and given.shape[1] > 1
    if given.ndim > 1 and given.shape[1:] == (1,) * (given.ndim - 1):
        given = given.reshape(-1)
    if given.shape != pixels.shape[:1] or given.dtype.kind not in "iu":
        found = f"{given.dtype} of {given.shape}"
        hint = "; of one-hot rows save labels.argmax(1)" if one_hot else ""
        raise RobustnessError(f"{labels}: {found}, not ({len(pixels)},) integers{hint}")
    numbers, names = numbered(str(labels), given.tolist(), classes)
    whole = pixels.dtype.kind in "iu"

    def read(index: int) -> NDArray[Any]:
        image = pixels[index] if last else pixels[index].transpose(1, 2, 0)
        top = LEVELS if whole else 1
        if not bool(((image >= 0) & (image <= top)).all()):
            found = f"from {float(np.nanmin(image)):.4g} to {float(np.nanmax(image)):.4g}"
            hint = "divide by 255" if not whole and image.min() >= 0 else "save it before any normalisation"
            raise RobustnessError(f"{images}: image {index}: {found}, and should be in [0, {top}]: {hint}")
        levels = image if whole else (image.astype(np.float64) * LEVELS).round()
        return np.ascontiguousarray(levels, dtype=np.uint8)

    return Source(str(images), numbers, read, lambda index: f"image {index}", names)


def _read(path: Path) -> NDArray[Any]:
    """Return an array, of which only what is used is read from the disk."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise RobustnessError(f"{path}: cannot be read: {error.strerror or mistaken(path) or 'no .npy'}") from None
    except Exception:  # numpy raises different types, by what is wrong
        raise RobustnessError(f"{path}: {mistaken(path) or 'it is no array of numbers as np.save writes'}") from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise RobustnessError(f"{path}: it is an .npz: save images and labels as .npy each")
    return found


def _channels_last(path: Path, pixels: NDArray[Any]) -> bool:
    """Return whether the channels come last. Raises RobustnessError for anything that are no images."""
    sound = pixels.ndim in (3, 4) and 0 not in pixels.shape and pixels.dtype.kind in "iubf"
    last = sound and (pixels.ndim == 3 or pixels.shape[3] in CHANNELS)
    first = sound and pixels.ndim == 4 and pixels.shape[1] in CHANNELS
    if not last and not first:
        found = f"{pixels.dtype} of {pixels.shape}"
        raise RobustnessError(f"{path}: {found}, not (N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W) numbers")
    return last

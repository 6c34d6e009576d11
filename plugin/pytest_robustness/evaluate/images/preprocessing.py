"""Preprocessing: photographs of any size and mode are decoded, resized and cropped to the pixels of a model's input."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.runtime.errors import first_line
from pytest_robustness.records.protocol import Preprocessing

Pixels = NDArray[np.uint8]
INTERPOLATIONS = {one.name.lower(): one for one in Image.Resampling}
#: The most pixels of a resized image. Pillow refuses to decode as many, but a long thin image may grow to them.
LARGEST = 2**28


def decode(data: bytes, mode: str = "RGB") -> Image.Image:
    """Decode an image, turn it upright and convert it to ``mode``: colours, or grey for L.

    Grey, palette, CMYK, alpha and 16 bits are converted, and EXIF rotation is applied. Of an animation the first
    picture is taken. Colour profiles and transparency are ignored, as by torchvision's loader.

    Raises RobustnessError, in a few words, for bytes that are no image.
    """
    try:
        return converted(Image.open(io.BytesIO(data)), mode)
    except RobustnessError:
        raise
    except UnidentifiedImageError:  # its message names an object of ours, not the file
        raise RobustnessError("no image that can be read: of no known format") from None
    except Exception as error:  # Pillow and its decoders raise different types, by what is wrong
        raise RobustnessError(f"no image that can be read: {first_line(error)}") from None


def converted(image: Image.Image, mode: str = "RGB") -> Image.Image:
    """Turn an open image upright and convert it to ``mode``. It may raise any exception of Pillow's."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):  # Pillow would cut such values off and not scale them
        image = _scaled(np.asarray(image))
    return image.convert(mode)


def as_read(data: bytes | Image.Image | NDArray[Any]) -> tuple[Image.Image, str]:
    """Return what a data set has of an image as a colour image, and the mode that the image had itself.

    Takes a file's bytes, a Pillow image, or (H, W) or (H, W, 1 or 3) uint8. Raises RobustnessError for anything else.
    """
    try:
        if isinstance(data, bytes):
            return decode(data), Image.open(io.BytesIO(data)).mode
        if isinstance(data, Image.Image):
            return converted(data), data.mode
        levels = np.asarray(data)
        if levels.dtype != np.uint8:
            raise RobustnessError(f"{levels.dtype} of {levels.shape}, not uint8 of (H, W) or (H, W, 1 or 3)")
        image = Image.fromarray(levels[:, :, 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels)
        return converted(image), image.mode
    except RobustnessError:
        raise
    except Exception as error:  # Pillow and its decoders raise different types, by what is wrong
        raise RobustnessError(f"no image that can be read: {first_line(error)}") from None


def _scaled(values: NDArray[Any]) -> Image.Image:
    """Return an image of 16 bits of grey as one of 8 bits.

    Raises RobustnessError for floating-point and 32-bit values, because nothing says which of them is white.
    """
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= 2**16:
        what = "floating-point" if values.dtype.kind == "f" else "32-bit"
        raise RobustnessError(f"{what} pixels, of which nothing says what white is: save it with 8 or 16 bits")
    return Image.fromarray((values / 257).round().astype(np.uint8))


@contextmanager
def quietly() -> Iterator[None]:
    """Silence Pillow's warnings of odd metadata and of large images inside the block.

    Use it around threads and never in them: the warning filters belong to the whole process, and one thread would
    restore what another has set.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def prepare(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """Resize an image with antialiasing, crop its middle, and return it as (C, H, W) uint8.

    The pixels equal those of torchvision's ``Resize`` and ``CenterCrop`` for a PIL image, which timm uses too. Raises
    RobustnessError for an image so long and thin that resizing its shorter side would make it huge.
    """
    size = _size(image, preprocessing.resize)
    if size[0] * size[1] > LARGEST:
        was, becomes = (f"{width} x {height}" for width, height in (image.size, size))
        raise RobustnessError(f"{was} pixels are too long and thin: resized they would be {becomes}")
    resized = image.resize(size, INTERPOLATIONS[preprocessing.interpolation])
    height, width = sides(preprocessing.crop)
    left, top = round((resized.width - width) / 2), round((resized.height - height) / 2)
    cut = resized.crop((left, top, left + width, top + height))  # beyond the edges: black
    return np.ascontiguousarray(np.asarray(cut).reshape(height, width, -1).transpose(2, 0, 1))


def _size(image: Image.Image, side: int | Sequence[int]) -> tuple[int, int]:
    """Return width and height of the resized image."""
    if not isinstance(side, int):
        return side[1], side[0]
    if image.width <= image.height:
        return side, int(side * image.height / image.width)
    return int(side * image.width / image.height), side


def sides(side: int | Sequence[int]) -> tuple[int, int]:
    """Return height and width, which are equal when one number is given."""
    return (side, side) if isinstance(side, int) else (side[0], side[1])

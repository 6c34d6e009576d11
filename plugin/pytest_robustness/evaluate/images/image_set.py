"""Image sets as tensors."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.mistaken import mistaken
from pytest_robustness.records.image_list import ImageList, ImageSetId, check_fit

#: The largest level of a pixel of 8 bits.
LEVELS = 255


@dataclass(frozen=True)
class ImageSet:
    """Holds images, their labels, and what identifies them.

    Attributes:
        pixels: (N, C, H, W) uint8, where pixel / 255 is in [0, 1]; or float32 in [0, 1].
        labels: (N,) int64.
        ids: (N,) int64, the images' positions in the data set they come from.
        keys: (N,) strings that identify the images by content: sha256 of the pixels, or of an image's file in a folder.
        names: (N,) paths, when the images come from a folder; else empty.
        columns: (N,) values each that the suite can slice by, by the column's name.
    """

    pixels: Tensor
    labels: Tensor
    ids: Tensor
    keys: Sequence[str]
    names: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def listed(self) -> ImageList:
        """Return keys, labels and columns in the form in which they are stored."""
        columns = {name: list(values) for name, values in self.columns.items()}
        return ImageList(keys=list(self.keys), labels=self.labels.tolist(), columns=columns)

    @cached_property
    def identity(self) -> ImageSetId:
        """Return what identifies the set: how many images it has, and which."""
        return self.listed.identity

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one image: channels, height, width."""
        return tuple(self.pixels.shape[1:])

    def batch(self, rows: slice | Sequence[int], device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the images (n, C, H, W) in [0, 1] and labels (n,) of some rows, on the device."""
        pixels = self.pixels[rows].to(device).to(dtype)
        return pixels if self.pixels.is_floating_point() else pixels / LEVELS, self.labels[rows].to(device)

    def sample(self, count: int) -> ImageSet:
        """Return ``count`` images for a trial, the same each time, drawn from all: many sets are sorted by class."""
        return self._of(sorted(random.Random(0).sample(range(len(self)), min(count, len(self)))))

    def part(self, rows: range) -> ImageSet:
        """Return some consecutive images as a set of their own."""
        return self._of(rows)

    def _of(self, rows: Sequence[int]) -> ImageSet:
        def some(values: Sequence[str]) -> list[str]:
            return [values[row] for row in rows] if values else []

        places = slice(rows.start, rows.stop) if isinstance(rows, range) else rows  # a slice copies nothing
        columns = {name: some(values) for name, values in self.columns.items()}
        return ImageSet(
            self.pixels[places], self.labels[places], self.ids[places], some(self.keys), some(self.names), columns
        )


def image_set_of(images: Any, labels: Any) -> ImageSet:
    """Return images and labels that are at hand as a set.

    Pixels of 8 bits, also where they are given as shares of 255, are kept as such: the set then equals that of a file.

    Args:
        images: tensor or array, (N, C, H, W) float in [0, 1], or uint8.
        labels: (N,) integers, from 0.

    Raises RobustnessError for anything else.
    """
    pixels, given = torch.as_tensor(images).detach().cpu(), torch.as_tensor(labels).detach().cpu()
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
        hint = ": channels come first" if pixels.ndim == 4 and pixels.shape[3] in (1, 3) else ""
        raise RobustnessError(f"images: of {tuple(pixels.shape)}, not (N, 1 or 3, H, W){hint}")
    if given.shape != pixels.shape[:1] or given.is_floating_point() or given.is_complex():
        raise RobustnessError(f"labels: {given.dtype} of {tuple(given.shape)}, not ({len(pixels)},) integers")
    if int(given.min()) < 0:
        raise RobustnessError(f"labels: {int(given.min())} is negative")
    if pixels.dtype != torch.uint8:
        pixels = _of_shares(pixels)
    arrays = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    return ImageSet(pixels.contiguous(), given.long(), torch.arange(len(pixels)), [_key(image) for image in arrays])


def _of_shares(pixels: Tensor) -> Tensor:
    """Return pixels in [0, 1] as levels of 8 bits where they are such, else as float32."""
    if not pixels.is_floating_point():
        raise RobustnessError(f"images: {pixels.dtype}, not uint8, or float in [0, 1]")
    shares = pixels.float()
    if not bool(((shares >= 0) & (shares <= 1)).all()):
        found = f"from {float(shares.min()):.4g} to {float(shares.max()):.4g}"
        raise RobustnessError(f"images: {found}, and should be in [0, 1], before any normalisation")
    levels = (shares * LEVELS).round().to(torch.uint8)
    return levels if torch.equal(levels.float() / LEVELS, shares) else shares


def load_images(path: Path, columns: Sequence[str] = ()) -> ImageSet:
    """Read an ``.npz`` with ``images`` (N, H, W, C) uint8, ``labels`` (N,) and ``ids`` (N,) integers.

    ``columns`` are further arrays of it, (N,) strings, integers or truth values. The file is read only once as long as
    it does not change. Raises RobustnessError, which names the file, for anything else.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise RobustnessError(f"{path}: not an image set: {error.strerror}") from None
    return _load(path, state.st_mtime_ns, state.st_size, tuple(columns))


def _array(read: object) -> NDArray[Any]:
    """Return what numpy read when it is an array. Raises TypeError otherwise.

    For a member that does not begin as an array does, numpy returns its bytes.
    """
    if not isinstance(read, np.ndarray):
        raise TypeError("no array")
    return read


@lru_cache(maxsize=4)
def _load(path: Path, modified: int, size: int, columns: tuple[str, ...]) -> ImageSet:
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels, ids = (_array(file[name]) for name in ("images", "labels", "ids"))
            more = {name: _array(file[name]) for name in columns if name in file.files}
    except KeyError as error:
        raise RobustnessError(f"{path}: not an image set: {error.args[0]}") from None
    except MemoryError:
        raise RobustnessError(f"{path}: the images do not fit into memory") from None
    except Exception:  # numpy, zipfile and zlib raise different types, by what is wrong
        what = mistaken(path) or "it cannot be read as .npz, or is damaged"
        raise RobustnessError(f"{path}: not an image set: {what}") from None
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise RobustnessError(f"{path}: images: {images.dtype} of {images.shape}, not uint8 of (N, H, W, 1 or 3)")
    for name, values in (("labels", labels), ("ids", ids)):
        if values.shape != images.shape[:1] or values.dtype.kind not in "iu":
            raise RobustnessError(f"{path}: {name}: {values.dtype} of {values.shape}, not ({len(images)},) integers")
    if len(images) and not 0 <= int(labels.min()) <= int(labels.max()) < 2**31:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise RobustnessError(f"{path}: labels: {wrong} is {'negative' if wrong < 0 else 'too large'}")
    if not len(images):
        raise RobustnessError(f"{path}: images: there are none")
    once, counts = np.unique(ids, return_counts=True)
    if len(once) < len(ids):
        raise RobustnessError(f"{path}: ids: {once[counts > 1][0]} is there {counts.max()} times, and should be once")
    for name in columns:
        if name not in more:
            raise RobustnessError(f"{path}: {name}: no such array, which the suite slices by")
        if more[name].shape != images.shape[:1] or more[name].dtype.kind not in "iubU":
            found = f"{more[name].dtype} of {more[name].shape}"
            raise RobustnessError(f"{path}: {name}: {found}, not ({len(images)},) strings or integers")
        check_fit(path, name, map(str, more[name].tolist()))
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return ImageSet(
        torch.from_numpy(pixels),
        torch.from_numpy(labels.astype(np.int64)),
        torch.from_numpy(ids.astype(np.int64)),
        [_key(image) for image in images],
        columns={name: list(map(str, values.tolist())) for name, values in more.items()},
    )


def _key(image: NDArray[Any]) -> str:
    """Return the sha256 of an image's shape and its pixels, (H, W, C) uint8."""
    return sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest()

"""The files of a folder of photographs, without what programs leave behind in it. It does not import torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.files import real
from pytest_robustness.records.image_list import UNWRITABLE

#: Suffixes of the images that are read; ``.jfif`` and ``.jpe`` are JPEG by other names.
SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
#: Suffixes of images that are not: cameras' own, and others. A file with another suffix is taken for no image.
RAW = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2"})
UNREAD = RAW | {".avif", ".heic", ".heif", ".hif", ".jp2", ".jxl", ".pbm", ".pgm", ".psd", ".svg", ".tga"}
#: The folder that macOS puts into every zip file, with a ``._`` file for each file.
MACOS = "__MACOSX"


def is_hidden(name: str) -> bool:
    """Return whether a folder was made by an editor or a system, like ``.ipynb_checkpoints``, and is no class."""
    return name.startswith(".") or name == MACOS


def list_images(folder: Path) -> tuple[list[str], list[str]]:
    """Return the sorted paths of all images below a folder, relative to it, and of those that nothing reads.

    Links are followed, because data sets are often trees of links, but not back into a folder they lie in. Raises
    RobustnessError for a folder that has no images or cannot be read, and for a name that no list can hold.
    """
    try:
        files = [path for path in _files(folder, frozenset()) if not path.name.startswith(".")]
    except OSError as error:
        raise RobustnessError(f"{error.filename}: cannot be read: {error.strerror}") from None
    found, unread = (
        sorted(path.relative_to(folder).as_posix() for path in files if path.suffix.lower() in suffixes)
        for suffixes in (SUFFIXES, UNREAD)
    )
    if not found:
        raise RobustnessError("; ".join([f"{folder}: no images in this folder", *told(unread)]))
    odd = next(filter(UNWRITABLE.search, found), None)
    if odd is not None:
        raise RobustnessError(f"{folder}: no list can hold the name {odd!a}: rename it")
    return found, unread


def told(unread: Sequence[str]) -> list[str]:
    """Return the line that says how many images nothing reads, and their suffixes; no line when there are none."""
    suffixes = sorted({PurePosixPath(path).suffix.lower() for path in unread})
    return [f"{len(unread)} files are left out, as nothing reads them: {some(suffixes)}"] if unread else []


def _files(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    place = real(folder)
    if place in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if not is_hidden(entry.name):
                    yield from _files(folder / entry.name, above | {place})
            else:
                yield folder / entry.name

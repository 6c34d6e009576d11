"""The files of a folder of photographs, without what programs leave behind in it. It does not import torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real
from pytest_robustness.records.image_list import UNWRITABLE

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
#: The folder that macOS puts into every zip file, with a ``._`` file for each file.
MACOS = "__MACOSX"


def is_hidden(name: str) -> bool:
    """Return whether a folder was made by an editor or a system, like ``.ipynb_checkpoints``, and is no class."""
    return name.startswith(".") or name == MACOS


def list_images(folder: Path) -> list[str]:
    """Return the sorted paths of all images below a folder, relative to it.

    Links are followed, because data sets are often trees of links, but not back into a folder they lie in. Raises
    RobustnessError for a folder that has no images or cannot be read, and for a name that no list can hold.
    """
    try:
        files = [path for path in _files(folder, frozenset()) if path.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise RobustnessError(f"{error.filename}: cannot be read: {error.strerror}") from None
    found = sorted(path.relative_to(folder).as_posix() for path in files if not path.name.startswith("."))
    if not found:
        raise RobustnessError(f"{folder}: no images in this folder")
    odd = next(filter(UNWRITABLE.search, found), None)
    if odd is not None:
        raise RobustnessError(f"{folder}: no list can hold the name {odd!a}: rename it")
    return found


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

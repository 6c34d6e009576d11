"""Data sets of Hugging Face, by the package ``datasets``: of a folder, or of the hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.sources.base import Source, numbered, sliceable
from pytest_robustness.evaluate.runtime.errors import first_line

#: What the columns are called, tried in this order, where no feature tells.
IMAGES = ("image", "img", "pixels", "picture")
LABELS = ("label", "labels", "fine_label", "class", "target")
#: Files of a folder that ``save_to_disk`` has written.
SAVED = ("dataset_info.json", "dataset_dict.json", "state.json")


def source(
    name: str,
    split: str | None,
    image_column: str | None = None,
    label_column: str | None = None,
    *,
    download: bool,
    classes: list[str] | None = None,
) -> Source:
    """Return the images of a data set.

    Args:
        name: of a folder, saved by ``save_to_disk`` or of files that ``load_dataset`` reads, or of a data set of the
            hub, with its configuration after a colon.
        split: the part of it; None means ``test`` of a data set that has parts.
        image_column: None means the one column of images.
        label_column: None means the one column of classes.
        download: whether the hub may be asked. Without, what it has must be in its cache.
        classes: names of the labels; None means the data set's own.

    Raises RobustnessError for a data set that is not there, has no such column, or no labels.
    """
    title = f"hf:{name}"
    if not download:  # before the import, which reads it
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        how = "pip install 'pytest-robustness[datasets]'"
        raise RobustnessError(f"{title}: needs the package datasets: {how} ({first_line(error)})") from None
    table, split = _opened(title, datasets, name, split, download=download)
    image = _column(title, table, image_column, datasets.Image, IMAGES, "--image-column")
    label = _column(title, table, label_column, datasets.ClassLabel, LABELS, "--label-column")
    feature = table.features[label]
    own = list(feature.names) if isinstance(feature, datasets.ClassLabel) else []
    values = table.select_columns([label])[:][label]
    labels, names = numbered(title, values, classes or own or None)
    if isinstance(table.features[image], datasets.Image):
        table = table.cast_column(image, datasets.Image(decode=False))
    columns, notes = sliceable(_further(table, datasets, {image, label}))
    pictures = table.select_columns([image])

    def read(index: int) -> Any:
        value = pictures[index][image]
        if isinstance(value, dict):  # an image that was not decoded: its bytes, or its file
            return value["bytes"] if value.get("bytes") is not None else Path(value["path"]).read_bytes()
        return value if isinstance(value, bytes) else np.asarray(value)

    shown = f"{title} ({split})" if split else title
    return Source(shown, labels, read, lambda index: f"image {index}", names, columns, notes)


def _opened(title: str, datasets: Any, name: str, split: str | None, *, download: bool) -> tuple[Any, str | None]:
    """Return the table of a data set's part, and the part's name; None when it has no parts."""
    folder = Path(name)
    try:
        if any((folder / file).is_file() for file in SAVED):
            found = datasets.load_from_disk(name)
        elif folder.is_dir():
            found = datasets.load_dataset(name)
        else:
            config = datasets.DownloadConfig(local_files_only=not download)
            path, _, part = name.partition(":")
            found = datasets.load_dataset(path, part or None, download_config=config)
    except Exception as error:  # of the hub, of a file, of what the package needs
        hint = "" if download or folder.exists() else ": if it is of the hub and not in its cache, give --download"
        raise RobustnessError(f"{title}: {first_line(error)}{hint}") from None
    if not isinstance(found, dict):
        if split and str(found.split) != split:
            raise RobustnessError(f"--split {split}: {title} is {found.split or 'a data set'} alone: leave it out")
        return found, split
    chosen = split or ("test" if "test" in found else next(iter(found)) if len(found) == 1 else "")
    if chosen not in found:
        said = f"--split {split}: {title} has" if split else f"{title}: name one by --split: it has"
        raise RobustnessError(f"{said} {', '.join(found)}")
    return found[chosen], chosen


def _column(title: str, table: Any, named: str | None, feature: type, usual: Sequence[str], option: str) -> str:
    """Return a column's name: the one that was named, else the one of this feature, else one of the usual names."""
    if named is not None:
        found = [named] if named in table.features else []
    else:
        found = [name for name, one in table.features.items() if isinstance(one, feature)]
        found = found if len(found) == 1 else [name for name in usual if name in table.features][:1]
    if not found:
        what = f"no column {named!r}" if named is not None else f"no one column of {feature.__name__}"
        raise RobustnessError(f"{title}: {what}; it has {', '.join(table.features)}: name one by {option}")
    return found[0]


def _further(table: Any, datasets: Any, taken: set[str]) -> dict[str, list[str]]:
    """Return the columns of single values that are neither the images nor the labels, as text."""
    found = {}
    for name, feature in table.features.items():
        if name in taken or not isinstance(feature, datasets.Value | datasets.ClassLabel):
            continue
        values = table.select_columns([name])[:][name]
        classes = isinstance(feature, datasets.ClassLabel)
        found[name] = [feature.int2str(value) if classes and value is not None else str(value) for value in values]
    return found

"""Images with labels as a data set has them, whatever its kind: not yet decoded, none chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.evaluate.images.folders import in_order
from pytest_robustness.records.image_list import unfit
from pytest_robustness.suite.slices import CLASS, TAKEN

#: The largest label of a suite's images, and one.
TOO_LARGE = 2**31


@dataclass(frozen=True)
class Source:
    """Holds the images of a data set and their labels.

    Attributes:
        title: what the data set is called in messages.
        labels: (N,) integers from 0.
        read: returns the image at a position: the bytes of a file, a Pillow image, or (H, W, 1 or 3) or (H, W) uint8.
            Raises OSError or RobustnessError for one that cannot be read.
        name: says which image is at a position, for messages.
        classes: names of the labels 0, 1, 2, ...; empty when the data set has none.
        columns: (N,) values each, to slice by.
        notes: what was left out, a line each.
        folder: where the files are, for a data set of files.
        paths: (N,) paths relative to the folder, with ``/``; else empty.
    """

    title: str
    labels: Sequence[int]
    read: Callable[[int], bytes | Image.Image | NDArray[Any]]
    name: Callable[[int], str]
    classes: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    folder: Path | None = None
    paths: Sequence[str] = ()


def numbered(
    title: str, values: Sequence[Any], classes: Sequence[str] | None = None
) -> tuple[Sequence[int], Sequence[str]]:
    """Return the labels of classes that a data set gives by number or by name, and the names of the classes.

    Whole numbers are the labels themselves. Names are numbered in the order of ``classes``, else sorted as those of
    folders are. Raises RobustnessError, beginning with ``title``, for a name that is none of ``classes``, for a label
    that is negative or too large, and where there are no labels.
    """
    if not len(values):
        raise RobustnessError(f"{title}: has no images")
    texts = [str(value).strip() for value in values]
    if all(text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal() for text in texts):
        labels = [int(text) for text in texts]
        odd = next((label for label in labels if not 0 <= label < TOO_LARGE), None)
        if odd is not None:
            why = "negative: this split has perhaps no labels" if odd < 0 else "too large"
            raise RobustnessError(f"{title}: label {odd} is {why}")
        if classes and (beyond := max(labels)) >= len(classes):
            raise RobustnessError(f"{title}: label {beyond}, and there are names for 0 to {len(classes) - 1} only")
        return labels, classes or ()
    if "" in texts:
        raise RobustnessError(f"{title}: image {texts.index('')} has no label")
    names = list(classes) if classes else in_order(set(texts))
    places = {name: label for label, name in enumerate(names)}
    unknown = next((text for text in texts if text not in places), None)
    if unknown is not None:
        raise RobustnessError(f"{title}: label {unknown!r} is none of the classes {some(names)}")
    return [places[text] for text in texts], names


def sliceable(columns: Mapping[str, Sequence[str]]) -> tuple[dict[str, Sequence[str]], list[str]]:
    """Return the columns that a suite can slice by, and a line for each of the others that says why it cannot."""
    kept: dict[str, Sequence[str]] = {}
    notes = []
    for name, values in columns.items():
        if not name or name in (*TAKEN, CLASS) or unfit([name]) is not None:
            notes.append(f"column {name!r} left out: a suite gives this name another meaning, or it is no name")
        elif (odd := unfit(values)) is not None:
            notes.append(f"column {name!r} left out: {odd} is no name of a slice: should be a short line of text")
        else:
            kept[name] = values
    return kept, notes

"""Data sets of torchvision."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.sources.base import Source, numbered
from pytest_robustness.evaluate.runtime.errors import first_line

#: Where data sets keep the labels of their images.
LABELS = ("targets", "labels", "_labels", "y")
#: The part of a data set that images are taken from when none is named, tried in this order.
USUAL_SPLITS = ("test", "val")


def source(name: str, root: Path, split: str | None, *, download: bool, classes: list[str] | None = None) -> Source:
    """Return the images of a data set.

    Args:
        name: of a class of ``torchvision.datasets``.
        root: where its files are.
        split: the part of it; None means ``test``, or ``val``, of a data set that has parts.
        download: whether it may be downloaded. Without, its files have to be there.
        classes: names of the labels; None means the data set's own.

    Raises RobustnessError for a data set that is not there, or not of images with one label each.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        raise RobustnessError(
            f"torchvision:{name}: torchvision cannot be imported: {error}; pip install torchvision"
        ) from None
    title = f"torchvision:{name}"
    kind = getattr(datasets, name, None)
    if not (isinstance(kind, type) and issubclass(kind, datasets.VisionDataset)):
        raise RobustnessError(f"{title}: torchvision.datasets has no data set of this name")
    dataset, split = _opened(title, kind, root, split, download=download)
    given = _labels(title, dataset)
    found = classes or list(map(_shown, getattr(dataset, "classes", None) or ()))
    labels, names = numbered(title, given, found or None)
    samples = getattr(dataset, "samples", None) or ()
    paths = [Path(one[0]) for one in samples if isinstance(one, tuple | list) and isinstance(one[0], str | Path)]
    ours = len(paths) == len(labels) and all(path.is_relative_to(root) for path in paths)

    def read(index: int) -> Any:
        try:
            return dataset[index][0]
        except Exception as error:  # of the decoder, or of the data set's own code
            raise RobustnessError(first_line(error)) from None

    return Source(
        f"{title} ({split})" if split else title,
        labels,
        (lambda index: paths[index].read_bytes()) if ours else read,
        lambda index: str(paths[index]) if ours else f"image {index}",
        names,
        folder=root if ours else None,
        paths=[path.relative_to(root).as_posix() for path in paths] if ours else (),
    )


def _opened(title: str, kind: type, root: Path, split: str | None, *, download: bool) -> tuple[Any, str | None]:
    """Return the data set, and the name of its part; None when it has no parts."""
    options: dict[str, Any] = {}
    known = inspect.signature(kind).parameters
    open_ended = any(one.kind is one.VAR_KEYWORD for one in known.values())
    if "root" in known:
        options["root"] = str(root)
    if "download" in known or (open_ended and download):
        options["download"] = download
    elif download:
        raise RobustnessError(f"--download: torchvision cannot download {title}: put its files into {root}")
    tried: Sequence[str | None] = [split] if split else [None]
    if "split" in known:
        tried = [split] if split else USUAL_SPLITS
    elif "train" in known:
        if split not in (None, "train", "test"):
            raise RobustnessError(f"--split {split}: {title} has train and test")
        options["train"] = split == "train"
        tried = [split or "test"]
    elif split:
        raise RobustnessError(f"--split {split}: {title} has no parts")
    problem = ""
    for one in tried:
        try:
            return kind(**options, **({"split": one} if "split" in known else {})), one
        except ValueError as error:  # no such part
            problem = problem or first_line(error)
        except TypeError as error:  # a data set that needs further arguments
            raise RobustnessError(f"{title}: is of no kind that is known here: {first_line(error)}") from None
        except Exception as error:  # files that are not there, a decoder, the network
            hint = "" if download or "download" not in known else f": put it into {root}, or give --download"
            raise RobustnessError(f"{title}: {_without_advice(first_line(error))}{hint}") from None
    raise RobustnessError(f"{title}: {problem}")


def _without_advice(message: str) -> str:
    """Leave out torchvision's advice to pass an argument of Python's."""
    return message.partition(" You can use download=True")[0].rstrip(".")


def _labels(title: str, dataset: Any) -> Sequence[Any]:
    """Return the label of each image. Raises RobustnessError where one is no whole number."""
    known = (getattr(dataset, name, None) for name in LABELS)
    found: Any = next((one for one in known if one is not None and len(one) == len(dataset)), None)
    try:
        values = [dataset[index][1] for index in range(len(dataset))] if found is None else list(found)
        return [int(value) for value in values]
    except (TypeError, ValueError, IndexError, KeyError, RuntimeError):
        raise RobustnessError(f"{title}: its images do not have one label each") from None


def _shown(name: Any) -> str:
    """Return one name of a class, of which ImageNet has several."""
    return str(name[0]) if isinstance(name, tuple | list) and name else str(name)

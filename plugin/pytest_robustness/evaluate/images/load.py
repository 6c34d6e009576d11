"""Loading a suite's image sets: those of a file as they are, those of a folder prepared as a model expects."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.folders import Photograph, Scan, read_list, scan, unlabelled
from pytest_robustness.evaluate.images.image_set import ImageSet, load_images
from pytest_robustness.evaluate.models.sources import preprocessing_of
from pytest_robustness.evaluate.runtime.devices import available_cores
from pytest_robustness.records.image_list import ImageList, check_fit
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.suite import Case
from pytest_robustness.suite.tables import IMAGENET, Images

#: How many prepared image sets are kept: the attacked and the unselected images, for one preprocessing. Models that
#: follow each other mostly share it.
KEPT = 2


def attacked_images(case: Case) -> ImageSet:
    """Return the images a case attacks.

    Raises RobustnessError, which names the file, for a file that cannot be read or has changed.
    """
    images = case.suite.images
    if case.suite.objects is not None:
        given: ImageSet = case.suite.objects.images
        return given
    if images.file is not None:
        return load_images(images.file, case.suite.columns)
    return _folder_images(case, images.selected, case.suite.columns)


def unselected_images(case: Case) -> ImageSet | None:
    """Return the images that clean accuracy is measured on. Returns None when the suite has none."""
    images = case.suite.images
    if case.suite.objects is not None:
        given: ImageSet | None = case.suite.objects.unselected
        return given
    if images.unselected is None:
        return None
    return load_images(images.unselected) if images.file is not None else _folder_images(case, images.unselected)


def count_images(case: Case) -> int:
    """Return how many images a case attacks. Photographs are not decoded for it."""
    images = case.suite.images
    if case.suite.objects is not None or images.file is not None:
        return len(attacked_images(case))
    return len(all_photographs(images) if images.selected is None else read_list(images.selected))


def image_lists(case: Case) -> tuple[ImageList, ImageList | None]:
    """Return keys and labels of the attacked images, and of the unselected ones, or None when there are none."""
    unselected = unselected_images(case)
    return attacked_images(case).listed, None if unselected is None else unselected.listed


def _folder_images(case: Case, listed: Path | None, columns: tuple[str, ...] = ()) -> ImageSet:
    images = case.suite.images
    assert images.folder is not None
    modified = listed.stat().st_mtime_ns if listed is not None and listed.is_file() else 0
    return _load(images, listed, modified, preprocessing_of(case).model_dump_json(), columns)


@lru_cache(maxsize=KEPT)
def _load(images: Images, listed: Path | None, modified: int, preprocessing: str, columns: tuple[str, ...]) -> ImageSet:
    """Read a folder's images and prepare them.

    Each list is read once in a process as long as it does not change, and the folder's files together with it.
    """
    assert images.folder is not None
    photographs = read_list(listed) if listed is not None else all_photographs(images)
    for name in columns:
        if name not in photographs[0].columns:
            raise RobustnessError(f"{listed}: line 1: no column {name!r}, which the suite slices by")
        check_fit(listed, name, (one.columns[name] for one in photographs))
    found = photograph_set(images.folder, photographs, Preprocessing.model_validate_json(preprocessing))
    return replace(found, columns={name: [one.columns[name] for one in photographs] for name in columns})


def all_photographs(images: Images) -> list[Photograph]:
    """Return every image of a folder that has a class, with its label, and warn of what is left out."""
    found = scan_images(images)
    for note in found.notes:
        warnings.warn(f"{images.folder}: {note}", stacklevel=2)
    return list(found.photographs)


def class_names(images: Images) -> Sequence[str]:
    """Return readable names of the labels 0, 1, 2, ... The list is empty when no names are known."""
    if images.classes is None:
        return scan_images(images).names if images.folder is not None and images.labels == "given" else []
    return [names[-1] for names in _classes(images) or []]  # for ImageNet the plain name, not the wnid


def scan_images(images: Images) -> Scan:
    """Scan a suite's folder for the images of its classes. When labels are predicted, all have the label 0."""
    assert images.folder is not None
    if images.labels == "predicted":
        return unlabelled(images.folder)
    file = isinstance(images.classes, str) and images.classes != IMAGENET
    return scan(images.folder, _classes(images), str(images.classes) if file else "the suite's images.classes")


def photograph_set(folder: Path, photographs: list[Photograph], preprocessing: Preprocessing) -> ImageSet:
    """Decode and prepare photographs, in threads, and return them as a set.

    They are identified by their files, because the pixels follow from these.
    """

    from pytest_robustness.evaluate.images.preprocessing import decode, prepare, quietly, sides  # needs Pillow

    height, width = sides(preprocessing.crop)
    pixels = np.empty((len(photographs), len(preprocessing.mode), height, width), np.uint8)

    def load(index: int) -> str:
        photograph = photographs[index]
        data = photograph.read(folder)
        try:
            pixels[index] = prepare(decode(data, preprocessing.mode), preprocessing)
        except RobustnessError as error:
            raise RobustnessError(f"{folder / photograph.path}: {error}") from None
        return photograph.sha256 or sha256(data).hexdigest()

    with quietly(), ThreadPoolExecutor(available_cores()) as pool:
        digests = list(pool.map(load, range(len(photographs))))
    return ImageSet(
        torch.from_numpy(pixels),
        torch.tensor([photograph.label for photograph in photographs]),
        torch.arange(len(photographs)),
        digests,
        [photograph.path for photograph in photographs],
    )


def decoder() -> str:
    """Return name and version of the library that decodes and resizes.

    Between versions pixels may differ by one level.
    """
    return f"pillow {version('pillow')}"


def _classes(images: Images) -> list[list[str]] | None:
    """Return the names of each class, for ImageNet the wnid first. Returns None when the suite names no classes."""
    if images.classes is None:
        return None
    if isinstance(images.classes, tuple):
        return [[name] for name in images.classes]
    if images.classes == IMAGENET:
        return imagenet_classes()
    path = Path(images.classes)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:  # it is no UTF-8, or the string cannot be a path
        raise RobustnessError(f"{path}: images.classes: cannot be read: {error}") from None
    return [[name.strip() for name in line.split(",")] for line in lines]


def imagenet_classes() -> list[list[str]]:
    """Return the names of ImageNet's 1,000 classes.

    They are the wnid by timm and the plain name by torchvision, also with ``_`` for spaces.
    """
    try:
        wnids = import_module("timm.data").ImageNetInfo("imagenet-1k").label_names()
        names = import_module("torchvision.models").get_model_weights("vgg11")["DEFAULT"].meta["categories"]
    except ImportError as error:
        raise RobustnessError(f"images.classes: imagenet-1k needs timm and torchvision: {error}") from None
    return [[wnid, *{name, name.replace(" ", "_")}] for wnid, name in zip(wnids, names, strict=True)]

"""A first look at a model before there is a suite: how many classes it has, and what it says of some images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.folders import Photograph
from pytest_robustness.evaluate.images.image_set import ImageSet, load_images
from pytest_robustness.evaluate.images.load import photograph_set
from pytest_robustness.evaluate.images.preprocessing import decode, quietly
from pytest_robustness.evaluate.loaded import loaded_classifier
from pytest_robustness.evaluate.models.classifier import USUAL_FLOOR, padded
from pytest_robustness.evaluate.models.sources import preprocessing_of
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.suite.suite import Case


@dataclass(frozen=True)
class FirstLook:
    """Holds what a model says of some images.

    Attributes:
        shape: of an image: channels, height, width.
        classes: how many the model has.
        labels, predicted: of each image, from 0.
    """

    shape: tuple[int, ...]
    classes: int
    labels: tuple[int, ...]
    predicted: tuple[int, ...]

    @property
    def accuracy(self) -> float:
        """Return the share of the images that the model is right about."""
        right = sum(label == said for label, said in zip(self.labels, self.predicted, strict=True))
        return right / max(1, len(self.labels))


def readable(folder: Path, photographs: Sequence[Photograph]) -> list[bool]:
    """Return for each photograph of a folder whether it can be decoded."""
    found = []
    with quietly():
        for one in photographs:
            try:
                decode(one.read(folder))
            except RobustnessError:
                found.append(False)
            else:
                found.append(True)
    return found


@torch.no_grad()
def first_look(case: Case, photographs: Sequence[Photograph], count: int) -> FirstLook:
    """Ask a case's model about photographs of the suite's folder, or about ``count`` images of its file.

    Raises RobustnessError, in one line, when model, weights or images are not what the suite says.
    """
    images = case.suite.images
    if images.folder is not None:
        found = photograph_set(images.folder, list(photographs), preprocessing_of(case))
    else:
        assert images.file is not None
        found = _spread(load_images(images.file), count)
    with loaded_classifier(case, found, devices.pick_device()) as classifier:
        logits = []
        for start in range(0, len(found), case.batch_size):
            inputs, _ = found.batch(slice(start, start + case.batch_size), classifier.device, classifier.dtype)
            logits.append(padded(classifier, inputs, USUAL_FLOOR).cpu())
    answers = torch.cat(logits)
    if not bool(answers.isfinite().all()):
        raise case.error(f"models.{case.model_name}", "the model's logits are not finite")
    return FirstLook(found.shape, answers.shape[1], tuple(found.labels.tolist()), tuple(answers.argmax(1).tolist()))


def image_sides(folder: Path, photographs: Sequence[Photograph]) -> set[tuple[int, int]]:
    """Return the different heights and widths of photographs of a folder."""
    with quietly():
        sizes = [decode(one.read(folder)).size for one in photographs]
    return {(height, width) for width, height in sizes}


def _spread(images: ImageSet, count: int) -> ImageSet:
    """Return images from all over a set, which may be sorted by class."""
    step = max(1, len(images) // count)
    rows = torch.arange(0, len(images), step)[:count]
    return ImageSet(images.pixels[rows], images.labels[rows], images.ids[rows], [images.keys[row] for row in rows])

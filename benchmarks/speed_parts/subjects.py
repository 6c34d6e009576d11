"""What is attacked: models with images they classify as labelled."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from pytest_robustness.evaluate.images.image_set import ImageSet, load_images
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.weights import load_weights
from torch import Tensor, nn
from torch.nn import functional

from robustness_tests.zoo import ARCHITECTURES, IMAGES, MEAN, STD, WEIGHTS

ZOO = ("vgg11_bn", "inception_v3", "mobilenet_v3_small")
LARGE = ("mobilenet_v2", "vgg11")  # torchvision's, at 224 x 224
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalised(nn.Module):
    """As a user wraps a model for attacks on pixels: normalisation in front, in eval mode, parameters not frozen."""

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.model((images - self.mean) / self.std)


@dataclass(frozen=True)
class Subject:
    """A model and images, one batch.

    Attributes:
        images: (N, 3, H, W) in [0, 1].
        labels: (N,), what the model says of the clean images.
    """

    name: str
    model: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    images: Tensor
    labels: Tensor
    image_set: ImageSet
    classes: int

    @property
    def plain(self) -> nn.Module:
        return Normalised(self.model, self.mean, self.std)

    def classifier(self) -> Classifier:
        return Classifier(self.model, mean=self.mean, std=self.std)

    def twin(self) -> Self:
        """With a model of its own: it may be frozen while another is not."""
        return replace(self, model=deepcopy(self.model))


def zoo(name: str, count: int) -> Subject:
    model = ARCHITECTURES[name]()
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    return _subject(name, model, MEAN, STD, load_images(IMAGES / "selected.npz"), count)


def large(name: str, count: int, weights: Path | None = None) -> Subject:
    """torchvision's own, with random weights where none are given: the arithmetic is the same."""
    from torchvision import models

    torch.manual_seed(0)
    model = getattr(models, name)()
    if weights:
        load_weights(model, weights)
    zoo_set = load_images(IMAGES / "selected.npz")
    pixels = functional.interpolate(zoo_set.pixels[:count].float(), size=(224, 224), mode="bilinear")
    images = ImageSet(pixels.round().byte(), zoo_set.labels[:count], zoo_set.ids[:count], zoo_set.identity)
    return _subject(f"{name} at 224", model, IMAGENET_MEAN, IMAGENET_STD, images, count)


@torch.no_grad()
def _subject(
    name: str, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], images: ImageSet, count: int
) -> Subject:
    """Labels are the model's own answers: every image is an attempt."""
    pixels = images.pixels[:count]
    logits = Normalised(model, mean, std)(pixels.float() / 255)
    labels = logits.argmax(1)
    labelled = ImageSet(pixels, labels, images.ids[:count], images.identity)
    return Subject(name, model, mean, std, pixels.float() / 255, labels, labelled, logits.shape[1])

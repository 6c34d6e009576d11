"""What is attacked: models as suites have them, and the same models as anybody would write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pytest_robustness.evaluate.images.image_set import load_images
from pytest_robustness.evaluate.images.load import attacked_images
from pytest_robustness.evaluate.loaded import borrowed
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.evaluate.models.sources import normalisation_of
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case, Suite
from torch import Tensor, nn
from torch.nn import functional

from robustness_tests.zoo import IMAGES
from speed_parts.attacks import Compared
from speed_parts.libraries import Batch

ROOT = Path(__file__).parents[2]
ZOO_SUITE = ROOT / "robustness_tests/zoo.toml"
ZOO = ("vgg11_bn", "inception_v3", "mobilenet_v3_small")
LARGE = ("mobilenet_v2", "vgg11")  # torchvision's, at 224 x 224
SIZE = 224
CPU = torch.device("cpu")

LARGE_SUITE = """\
batch_size = {count}
memory_format = "channels_last"

[images]
file = "images.npz"
labels = "predicted"

[normalisation]
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[models.{name}]
source = "torchvision.models:{name}"
{weights}
[attacks.fgsm]
attack = "FGSM"
eps = 0.01
"""


class Normalised(nn.Module):
    """As a user wraps a model for attacks on pixels: normalisation in front, in eval mode, parameters not frozen."""

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.model((images - self.mean) / self.std)


@dataclass(frozen=True)
class Subject:
    """A model of a suite, and the first images of the suite.

    Attributes:
        name: of a row of a table.
    """

    name: str
    suite: Suite
    model: str
    count: int

    def case(self, attack: Compared) -> Case:
        """The case of an attack that the suite need not have."""
        return self.case_named(attack.key, attack)

    def case_named(self, name: str, *attacks: Compared) -> Case:
        """A case of the suite, which has these attacks too."""
        given = {**self.suite.attacks, **{attack.key: attack.ours for attack in attacks}}
        return Case(self.suite.model_copy(update={"attacks": given}), self.model, name)

    @property
    def _any_case(self) -> Case:
        return Case(self.suite, self.model, next(iter(self.suite.attacks)))

    def _loaded(self) -> nn.Module:
        with seeded(self.suite.seed, "model"):  # as a case does it: a factory may draw its weights
            return load_model(self._any_case)

    @cached_property
    def plain(self) -> nn.Module:
        """As its user has it."""
        normalisation = normalisation_of(self._any_case)
        return Normalised(self._loaded(), normalisation.mean, normalisation.std)

    def classifier(self) -> Classifier:
        """As a case has it, to be entered: a model of its own, frozen and laid out as the suite says."""
        return borrowed(self._loaded(), self._any_case, attacked_images(self._any_case), CPU)

    @cached_property
    def _images(self) -> tuple[Tensor, Tensor]:
        images = attacked_images(self._any_case).first(self.count)
        return images.batch(slice(None), CPU, torch.float32)

    @cached_property
    def labels(self) -> Tensor:
        """(N,), what the model says of the clean images: in the zoo they are the true ones."""
        with torch.no_grad():
            return torch.cat([self.plain(part).argmax(1) for part in self._images[0].split(self.suite.batch_size)])

    @cached_property
    def classes(self) -> int:
        with torch.no_grad():
            return self.plain(self._images[0][:1]).shape[1]

    def batches(self, model: nn.Module, size: int, count: int | None = None) -> Iterable[Batch]:
        """The first ``count`` images, or all, in batches, for an attack on ``model``."""
        given = zip(self._images[0][:count].split(size), self.labels[:count].split(size), strict=True)
        return [Batch(model, images, labels, self.classes) for images, labels in given]


def zoo(name: str, count: int) -> Subject:
    return Subject(name, load_suite(ZOO_SUITE), name, count)


def large(name: str, count: int, folder: Path, weights: Path | None = None) -> Subject:
    """torchvision's own, with random weights where none are given: the arithmetic is the same. Writes a suite."""
    images = load_images(IMAGES / "selected.npz").first(count)
    pixels = functional.interpolate(images.pixels.float(), size=(SIZE, SIZE), mode="bilinear").round().byte()
    arrays = {"images": pixels.permute(0, 2, 3, 1).numpy(), "labels": np.zeros(count, int), "ids": images.ids.numpy()}
    np.savez(folder / "images.npz", **arrays)
    path = folder / f"{name}.toml"
    key = f'weights = "{weights.resolve()}"\n' if weights else ""
    path.write_text(LARGE_SUITE.format(count=count, name=name, weights=key), encoding="utf-8")
    return Subject(f"{name} at {SIZE}", load_suite(path), name, count)

"""torchvision's classifiers: https://pytorch.org/vision/stable/models.html"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms._presets import ImageClassification

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.libraries.base import Expected
from pytest_robustness.evaluate.models.libraries.hub import Remote
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.tables import Normalisation


@dataclass(frozen=True)
class TorchvisionEntry:
    """Describes a model of torchvision.

    ``weights`` is a member of the model's enumeration of weights. Every classifier has such an enumeration.
    """

    name: str
    weights: Any

    def expected(self) -> Expected:
        preset = self.weights.transforms()
        if not isinstance(preset, ImageClassification):
            raise RobustnessError(f"torchvision's {self.name} is no classifier of images")
        return Expected(
            Preprocessing(
                resize=_side(preset.resize_size), crop=_side(preset.crop_size), interpolation=preset.interpolation.value
            ),
            Normalisation(mean=tuple(preset.mean), std=tuple(preset.std)),
        )

    def remote(self) -> Remote:
        filename = _filename(self.weights)
        checksum = torch.hub.HASH_REGEX.search(filename)
        return Remote(filename, self.weights.url, checksum.group(1) if checksum else None)

    def build(self, state: dict[str, Tensor] | None, arguments: Mapping[str, Any]) -> nn.Module:
        """Return the model. With weights, torchvision's builder makes it as it does for its own weights.

        For example, an Inception then also rescales its input.
        """
        builder = models.get_model_builder(self.name)
        with nullcontext() if state is None else _served(self.weights, state):
            model: nn.Module = builder(weights=None if state is None else self.weights, **arguments)
        return model


class Torchvision:
    def entry(self, name: str, weights: str | None, file: str | None = None) -> TorchvisionEntry:
        try:
            known = models.get_model_weights(name)
        except ValueError:
            raise RobustnessError(f"torchvision has no model {name!r}") from None
        if weights is None:
            own = next((member for member in known if _filename(member) == file), None)
            return TorchvisionEntry(name, own or known["DEFAULT"])
        if weights not in known.__members__:
            names = ", ".join(member.name for member in known)
            raise RobustnessError(f"torchvision's {name} has no weights {weights!r} (known: {names}, or a file)")
        return TorchvisionEntry(name, known[weights])


LIBRARY = Torchvision()


@contextmanager
def _served(weights: Any, state: dict[str, Tensor]) -> Iterator[None]:
    """Give torchvision's builder this state dict inside the block.

    Otherwise the builder would download a file and unpickle whatever is in it.
    """
    weights.get_state_dict = lambda *args, **kwargs: state
    try:
        yield
    finally:
        del weights.get_state_dict


def _filename(weights: Any) -> str:
    return str(weights.url).rpartition("/")[2]


def _side(size: list[int]) -> int | list[int]:
    return size[0] if len(size) == 1 else list(size)

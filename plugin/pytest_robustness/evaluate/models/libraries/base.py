"""What is asked of a library of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.libraries.hub import Remote
from pytest_robustness.extensions import declared, extension
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.tables import Normalisation


@dataclass(frozen=True)
class Expected:
    """What a model expects of its input."""

    preprocessing: Preprocessing
    normalisation: Normalisation


class Entry(Protocol):
    """One model of a library, with certain of its weights in view.

    What the library knows of these weights decides how the model is built and what it expects, wherever the weights
    themselves come from.
    """

    def expected(self) -> Expected: ...

    def remote(self) -> Remote:
        """Where the library keeps the weights. Raises RobustnessError where it has none."""
        ...

    def build(self, state: dict[str, Tensor] | None, arguments: Mapping[str, Any]) -> nn.Module:
        """Return the model as the library builds it with these arguments, with the library's weights, or with none.

        Raises whatever the library does for arguments it does not know and weights that are not the model's.
        """
        ...


class Library(Protocol):
    def entry(self, name: str, weights: str | None, file: str | None = None) -> Entry:
        """A model by its name.

        Args:
            name: the library's, of the architecture.
            weights: the library's name of them; None: its default.
            file: what the weights' file is called: the library's own file says which weights these are.

        Raises:
            RobustnessError: for names the library does not know.
        """
        ...


def library(name: str) -> Library:
    """``torchvision`` or ``timm``; imports it."""
    if name in declared("libraries"):
        theirs: Library = extension("libraries", name)
        return theirs
    try:
        module = import_module(f"{__package__}.{name}")
    except ImportError as error:
        raise RobustnessError(f"{name} cannot be imported: {error}; pip install {name}") from None
    found: Library = module.LIBRARY
    return found

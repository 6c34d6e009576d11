"""The protocol of a library of models."""

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
    """Holds what a model expects of its input."""

    preprocessing: Preprocessing
    normalisation: Normalisation


class Entry(Protocol):
    """Describes one model of a library together with one set of its weights.

    What the library knows about these weights decides how the model is built and what input it expects, even when the
    weights themselves come from elsewhere.
    """

    def expected(self) -> Expected: ...

    def remote(self) -> Remote:
        """Return where the library keeps the weights. Raises RobustnessError when it has none."""
        ...

    def build(self, state: dict[str, Tensor] | None, arguments: Mapping[str, Any]) -> nn.Module:
        """Return the model as the library builds it with these arguments, with ``state`` as its weights when given.

        Raises what the library raises for arguments it does not know and weights that are not the model's.
        """
        ...


class Library(Protocol):
    def entry(self, name: str, weights: str | None, file: str | None = None) -> Entry:
        """Return a model by its name.

        Args:
            name: the library's name of the architecture.
            weights: the library's name of the weights; None means its default.
            file: the name of the weights' file. When it is the name of one of the library's own files, it tells which
                weights these are.

        Raises:
            RobustnessError: for names the library does not know.
        """
        ...


def library(name: str) -> Library:
    """Import the library of this name and return it. Raises RobustnessError when it cannot be imported."""
    if name in declared("libraries"):
        theirs: Library = extension("libraries", name)
        return theirs
    try:
        module = import_module(f"{__package__}.{name}")
    except ImportError as error:
        raise RobustnessError(f"{name} cannot be imported: {error}; pip install {name}") from None
    found: Library = module.LIBRARY
    return found

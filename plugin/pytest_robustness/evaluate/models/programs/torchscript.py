"""TorchScript files: of scripted, traced or frozen models."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.programs.base import Sealed, fingerprint_of
from pytest_robustness.evaluate.models.weights import read_weights
from pytest_robustness.evaluate.runtime.errors import first_line
from pytest_robustness.mistaken import mistaken


def load(path: Path) -> nn.Module:
    """Read a TorchScript program. Raises RobustnessError for a file that holds none."""
    try:
        program = torch.jit.load(str(path), map_location="cpu")
    except Exception as error:  # torch raises different types, by what is wrong
        raise RobustnessError(_what(path) or f"cannot be read as TorchScript: {first_line(error)}") from None
    return Sealed(fingerprint_of(path), program)


def _what(path: Path) -> str | None:
    """Return what a file that holds no program is instead. Returns None when it is not recognised."""
    try:
        read_weights(path)
    except RobustnessError:
        return mistaken(path)
    return "it has weights and no program: name the model that they are of as source, and the file as weights"

"""Models that our code cannot look into."""

from __future__ import annotations

import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


class Sealed(nn.Module):
    """Wraps a model that is identified by a file's bytes or a version, not by its weights and operators.

    Args:
        fingerprint: a string that is equal for equal models.
        model: called with a batch in the form that the model expects.
    """

    def __init__(self, fingerprint: str, model: nn.Module) -> None:
        super().__init__()
        self.fingerprint = fingerprint
        self.model = model

    def forward(self, inputs: Tensor) -> Any:
        return self.model(inputs)


class FixedBatch(nn.Module):
    """Makes a program that takes batches of one size only take any: it runs in chunks, and fills up the last one."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, inputs: Tensor) -> Any:
        places = torch.arange(-(-len(inputs) // self.size) * self.size, device=inputs.device) % len(inputs)
        answers = [self.model(inputs[chunk]) for chunk in places.split(self.size)]
        return tree_map(lambda *parts: _joined(parts, len(inputs)), answers[0], *answers[1:])


def _joined(parts: tuple[Any, ...], count: int) -> Any:
    return torch.cat(parts)[:count] if isinstance(parts[0], Tensor) else parts[0]


def warn_of_fixed_batch(path: Path, size: int) -> None:
    """Warn that a program runs in chunks, and say what would be faster."""
    warnings.warn(
        f"{path}: it was exported for batches of {size}, and runs in chunks of {size}: slower than one whose first "
        "dimension is dynamic",
        stacklevel=2,
    )


def fingerprint_of(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        hasher = sha256()
        while block := file.read(2**20):
            hasher.update(block)
    return hasher.hexdigest()

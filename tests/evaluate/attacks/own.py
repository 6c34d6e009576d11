"""Attacks of a user's own, of each kind there is, as a suite names them."""

from __future__ import annotations

from typing import Any

import torch
from pytest_robustness.evaluate.attacks.pgd import PGD
from pytest_robustness.evaluate.attacks.rows import Rows
from torch import Tensor, nn


def brighter(model: nn.Module, images: Tensor, labels: Tensor, eps: float = 0.1, share: float = 1.0) -> Tensor:
    """A function: it is called with a whole batch."""
    model(images)
    return (images + eps * share).clamp(0, 1)


def anything(model: nn.Module, images: Tensor, labels: Tensor, **parameters: Any) -> Tensor:
    """A function that takes what it is given."""
    return images + parameters["by"] * 0


def black(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """A function that found nothing, and returns what it began with."""
    return torch.zeros_like(images)


class Darker:
    """Image by image: one step to black."""

    def __init__(self, eps: float, steps: int = 2) -> None:
        self.eps, self.steps = eps, steps

    def start(self, rows: Rows) -> None:
        rows["candidate"] = rows.clean

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor | None, fooled: Tensor) -> Tensor:
        rows["candidate"] = (rows.clean - self.eps).clamp(0, 1)
        return torch.ones_like(fooled)


class Dimmest(Darker):
    """The same, but for the smallest perturbation, in a norm it may be told."""

    minimises = True

    def __init__(self, norm: str = "inf", kind: str = "even") -> None:
        super().__init__(0.1)
        self.norm = norm
        if kind not in ("even", "odd"):
            raise ValueError(f"kind: {kind!r} is not one of even, odd")


class Mine(PGD):
    """Ours, with another default."""

    def __init__(self, eps: float = 0.02) -> None:
        super().__init__(eps, eps / 4, 3)

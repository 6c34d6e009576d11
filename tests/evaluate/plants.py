"""Models with one defect each, that makes them look robust or their attacks look wrong, and one without any.

All look at an image through ``t``: how much brighter than grey it is on average, in units of ``EPS``. Clean images are
grey, so t is 0 on them, and a ball of radius EPS reaches t = 1. The margin of class 0 is ``1 - g(t)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.registry import ATTACKS, ResolvedAttack, attack_library
from pytest_robustness.evaluate.health import Subject
from torch import Tensor, nn
from torch.nn import functional

EPS, COUNT = 0.05, 40
GREY = torch.full((COUNT, 3, 8, 8), 0.5)
UNEVEN = 0.02
STRIPED = GREY + UNEVEN * torch.tensor([1.0, -1.0]).repeat(4)


class Bright(nn.Module):
    """Class 1 where g(t) is above 1."""

    def __init__(self, g: Callable[[Tensor], Tensor] = lambda t: 2 * t, head: Callable[[Tensor], Any] = lambda z: z):
        super().__init__()
        self.g, self.head = g, head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.logits(self.g(self.t(images))))

    def t(self, images: Tensor) -> Tensor:
        return (images.mean((1, 2, 3)) - 0.5) / EPS

    def logits(self, g: Tensor) -> Tensor:
        return torch.stack([3 - g, torch.full_like(g, 2)], 1)


def bent(*points: tuple[float, float]) -> Callable[[Tensor], Tensor]:
    """Straight between points, and on beyond the last ones as before."""
    x, y = (torch.tensor(values) for values in zip(*points, strict=True))

    def g(t: Tensor) -> Tensor:
        i = (torch.searchsorted(x, t.detach().contiguous()) - 1).clamp(0, len(x) - 2)
        return y[i] + (t - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i])

    return g


def gap(*ends: float) -> Callable[[Tensor], Tensor]:
    """Above 1 only in between; from there on it falls, and rises again far beyond the ball."""
    return bent((0, 0), *zip(ends, (0.9, 1.2, 1.2, 0.9), strict=True), (2.2, -1), (3, 0), (5, 3))


def wavy(length: float) -> Callable[[Tensor], Tensor]:
    """Rises as a sound model does, in waves 3.5 times as steep: with a gradient of its own that soon changes."""
    steepness = 2 * math.pi / length
    return lambda t: 2 * t + 5 / steepness * torch.sin(steepness * t)


class Before(Bright):
    """With something done to the images first."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change

    def t(self, images: Tensor) -> Tensor:
        return super().t(self.change(images))


class Rough(Bright):
    """Goes by how uneven an image is, as if its pixels were of a far larger range."""

    def t(self, images: Tensor) -> Tensor:
        return 6 * ((images - 0.5).square().mean((1, 2, 3)) - UNEVEN**2) / EPS**2


class Saturated(Bright):
    """The label's share of the loss is lost to rounding, the others' leads astray."""

    def forward(self, images: Tensor) -> Tensor:
        t, aside = self.t(images), (images[:, 0].mean((1, 2)) - images[:, 2].mean((1, 2)))
        aside = aside + 0.001 * (images[:, 1, ::2] - images[:, 1, 1::2]).mean((1, 2))
        return 20 * torch.stack([1 - 2 * t, aside, -2 + 0 * t], 1)


class Flat(Bright):
    """So flat that cross-entropy looks at all ten classes alike, and eight of them, that are far off, lead astray."""

    def forward(self, images: Tensor) -> Tensor:
        t = self.t(images)
        return 1e-3 * torch.stack([1 - 2 * t, 0 * t, *[-5 * t - 9] * 8], 1)


class Misleading(torch.autograd.Function):
    """Forward the identity, backward the wrong way."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return -gradient


class Twice:
    """An attack that says one step and takes two, or leaves the box."""

    def __init__(self, model: nn.Module, eps: float, steps: int = 2, high: float = 1.0) -> None:
        self.model, self.eps, self.steps, self.high = model, eps, steps, high

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        adversarial = images
        for _ in range(self.steps):
            inputs = adversarial.clone().requires_grad_()
            loss = functional.cross_entropy(self.model(inputs), labels)
            (gradient,) = torch.autograd.grad(loss, inputs)
            adversarial = (images + self.eps * gradient.sign()).clamp(0, 1)
        return adversarial + (self.high - 1)


def attack(**parameters: float) -> ResolvedAttack:
    kind = AttackSpec("tests.evaluate.plants:Twice", None, "candidates", "inf", budget=lambda _: 1)
    return ResolvedAttack(kind, "full", {"eps": EPS, **parameters})


def theirs() -> ResolvedAttack:
    """torchattacks' own C&W."""
    return ResolvedAttack(attack_library("torchattacks").spec("CW"), "full", {"steps": 40})


def ours() -> ResolvedAttack:
    return ResolvedAttack(ATTACKS["CW"], "full", {"steps": 40, "patience": 0})


def subject(
    model: nn.Module, *, right: int = COUNT, images: Tensor = GREY, attacks: Sequence[ResolvedAttack] = ()
) -> Subject:
    return Subject(
        model.eval(),
        images,
        torch.zeros(len(images), dtype=torch.long),
        right=right,
        tried=COUNT,
        eps=EPS,
        attacks={f"attack{index}": one for index, one in enumerate(attacks)},
    )

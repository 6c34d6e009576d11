"""What attacks that look for the smallest perturbation share: norms by row, and the loop that keeps the smallest."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.base import logits_of

#: The norm in which a gradient is measured, so that its product with a perturbation is bounded by both.
DUAL = {"inf": "1", "2": "2"}


class Search(Protocol):
    """A minimum-norm attack: it proposes candidates, and is told what the model made of the last ones."""

    steps: int

    @property
    def norm(self) -> str: ...

    def start(self, images: Tensor) -> None: ...

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor: ...

    def step(
        self, step: int, images: Tensor, loss: Tensor, gradient: Tensor, fooled: Tensor, best: Tensor
    ) -> Tensor: ...


def smallest(search: Search, model: Any, images: Tensor, labels: Tensor) -> Tensor:
    """Return each image's fooling candidate with the smallest perturbation; images that were not fooled unchanged.

    Every image takes all steps: a search that stopped at the first success would return a larger perturbation.
    """
    images, labels = images.detach(), labels.detach()
    rows = torch.arange(len(labels), device=labels.device)
    adversarial, candidates = images.clone(), images.clone()
    best = torch.full(labels.shape, torch.inf, dtype=images.dtype, device=images.device)
    search.start(images)
    for step in range(search.steps):
        candidates.requires_grad_()
        logits = logits_of(model, candidates, rows)
        losses = search.loss(logits, labels)
        (gradient,) = torch.autograd.grad(losses.sum(), candidates)
        with torch.no_grad():
            candidates = candidates.detach()
            fooled = logits.argmax(1) != labels
            distance = norm_of(candidates - images, search.norm)
            better = fooled & (distance < best)
            best = torch.where(better, distance, best)
            adversarial = torch.where(over(better, images), candidates, adversarial)
            candidates = search.step(step, images, losses.detach(), gradient, fooled, best)
    return adversarial


def norm_of(images: Tensor, norm: str) -> Tensor:
    """The norm of each row, (n,): "inf", "2" or "1". Sums are taken in float64, so that their order does not show."""
    flat = images.flatten(1)
    if norm == "inf":
        return flat.abs().amax(1)
    wide = flat.double()
    return (wide.abs().sum(1) if norm == "1" else wide.square().sum(1).sqrt()).to(images.dtype)


def free(gradient: Tensor, images: Tensor) -> Tensor:
    """The gradient where a pixel can follow it: zero where it leads out of [0, 1]."""
    blocked = ((images <= 0) & (gradient < 0)) | ((images >= 1) & (gradient > 0))
    return gradient.masked_fill(blocked, 0)


def over(rows: Tensor, images: Tensor) -> Tensor:
    """A value of each row, (n,), in a shape that combines with images, (n, 1, 1, 1)."""
    return rows.view(-1, *[1] * (images.ndim - 1))


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The label's logit less the best other, (n,): below zero is fooled."""
    label = labels.unsqueeze(1)
    return logits.gather(1, label).squeeze(1) - logits.scatter(1, label, -torch.inf).amax(1)

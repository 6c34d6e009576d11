"""The losses that attacks maximise.

Each image has one value, and their sum is differentiated, so that no image's gradient depends on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pytest_robustness.evaluate.attacks.norms import margin

Loss = Callable[[Tensor, Tensor], Tensor]


class ScaleFreeCrossEntropy(torch.autograd.Function):
    """Computes cross-entropy with a gradient that does not vanish where the model is sure.

    It takes (n, K) logits and (n,) labels and returns (n,) values.

    Autograd's gradient for the label's logit is p_label - 1. From a margin of about 17 on it is exactly zero in
    float32, while the gradients for the other logits, p_k, remain. What is left points another way, and from a margin
    of about 100 on nothing is left. Here the gradient for the label's logit is minus the sum of those for the others,
    and all gradients of an image are divided by that sum. So logits times 30 give the direction of logits times 1
    wherever one other class dominates. The sign of the gradient is that of plain cross-entropy wherever the latter has
    not underflowed.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, labels)
        return functional.cross_entropy(logits, labels, reduction="none")

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        logits, labels = ctx.saved_tensors
        label = labels.unsqueeze(1)
        others = logits.scatter(1, label, -torch.inf)
        share = (others - others.amax(1, keepdim=True)).exp()
        share = share / share.sum(1, keepdim=True)
        return upstream[0].unsqueeze(1) * share.scatter(1, label, -1.0), None


def scale_free_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each image, (n,), with a gradient that does not vanish where the model is sure."""
    loss: Tensor = ScaleFreeCrossEntropy.apply(logits, labels)
    return loss


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the plain cross-entropy of each image, (n,)."""
    return functional.cross_entropy(logits, labels, reduction="none")


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the best other logit minus the label's, (n,). It is above zero when the image fools the model."""
    return -margin(logits, labels)


LOSSES: Mapping[str, Loss] = {
    "scale-free": scale_free_cross_entropy,
    "cross-entropy": cross_entropy,
    "margin": negative_margin,
}


def loss_named(name: str) -> Loss:
    """Return the loss of this name. Raises ValueError, which names the parameter, when there is none."""
    if name not in LOSSES:
        raise ValueError(f"loss: {name!r} is not one of {', '.join(LOSSES)}")
    return LOSSES[name]

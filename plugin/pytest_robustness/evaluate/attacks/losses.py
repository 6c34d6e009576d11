"""The losses an attack climbs: one value an image, whose sum is differentiated, so that no image scales another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pytest_robustness.evaluate.attacks.norms import margin

Loss = Callable[[Tensor, Tensor], Tensor]


class ScaleFreeCrossEntropy(torch.autograd.Function):
    """Cross-entropy, (n, K) logits and (n,) labels -> (n,), whose gradient does not vanish where the model is sure.

    Autograd's gradient to the label's logit is p_label - 1: exactly zero in float32 from a margin of about 17 on, while
    those to the others, p_k, remain; what is left points another way, and from a margin of about 100 on there is
    nothing. Here the label's is minus the sum of the others', and all of an image's are divided by that sum: logits
    times 30 give the direction of logits times 1 wherever one other class dominates. Its sign is plain cross-entropy's
    wherever that one has not underflowed.
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
    """Cross-entropy with a gradient that is not lost where the model is sure, (n,)."""
    loss: Tensor = ScaleFreeCrossEntropy.apply(logits, labels)
    return loss


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The textbook's, (n,)."""
    return functional.cross_entropy(logits, labels, reduction="none")


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The best other logit less the label's, (n,): above zero is fooled."""
    return -margin(logits, labels)


LOSSES: Mapping[str, Loss] = {
    "scale-free": scale_free_cross_entropy,
    "cross-entropy": cross_entropy,
    "margin": negative_margin,
}


def loss_named(name: str) -> Loss:
    """Raises ValueError, which names the parameter, for a loss there is none of."""
    if name not in LOSSES:
        raise ValueError(f"loss: {name!r} is not one of {', '.join(LOSSES)}")
    return LOSSES[name]

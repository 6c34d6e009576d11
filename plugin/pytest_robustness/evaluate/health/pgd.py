"""Gradient ascent for the checks. It is small, and independent of the attacks that are being checked."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Logits = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
#: Takes the classifier, images, labels and a loss, and returns the direction to move in, (n, C, H, W).
Direction = Callable[[Logits, Tensor, Tensor, Loss], Tensor]


def gradient(logits_of: Logits, images: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Return the gradient of a loss at the images, or zeros when the loss does not depend on them.

    The loss is (n,) values of (n, K) logits and labels.
    """
    inputs = images.clone().requires_grad_()
    value = loss(logits_of(inputs), labels).sum()
    if not value.requires_grad:
        return torch.zeros_like(images)
    (found,) = torch.autograd.grad(value, inputs, allow_unused=True)
    return torch.zeros_like(images) if found is None else found


def even_gradient(logits_of: Logits, images: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Return the direction (n, C, H, W) that lowers the label's logit and raises the two best others.

    It is a sum of these logits' gradients, each scaled to length 1. A function of one logit that only rises, such as a
    tanh, a sigmoid or a square, changes the length of that logit's gradient but not its direction. So this direction is
    the same before and behind such functions, whatever they do to a loss of all logits. ``loss`` is not used.
    """
    inputs = images.clone().requires_grad_()
    logits = logits_of(inputs)
    towards = torch.zeros_like(images)
    if not logits.requires_grad:
        return towards
    count = min(2, logits.shape[1] - 1)
    others = logits.detach().scatter(1, labels.unsqueeze(1), -torch.inf).topk(count, 1).indices
    for which, share in ((labels, -1.0), *((others[:, i], 1 / count) for i in range(count))):
        chosen = logits.gather(1, which.unsqueeze(1)).sum()
        (found,) = torch.autograd.grad(chosen, inputs, retain_graph=True, allow_unused=True)
        if found is not None:
            length = found.flatten(1).norm(dim=1).view(-1, *[1] * (images.ndim - 1))
            towards += share * torch.where(length > 0, found / length.clamp_min(1e-38), 0.0)
    return towards


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each image, (n,)."""
    return functional.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the label's logit minus the best other, (n,). It is below zero when the image fools the model."""
    label = labels.unsqueeze(1)
    return logits.gather(1, label).squeeze(1) - logits.scatter(1, label, -torch.inf).amax(1)


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the best other logit minus the label's, (n,). It is above zero when the image fools the model."""
    return -margin(logits, labels)


def reference_pgd(
    logits_of: Logits,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int,
    step: float,
    start: int | None = None,
    loss: Loss = cross_entropy,
) -> Tensor:
    """Return (N,) bool, which images ``ascent`` fools the model with."""
    return ascent(logits_of, images, labels, eps=eps, steps=steps, step=step, start=start, loss=loss)[0]


def ascent(
    logits_of: Logits,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    steps: int,
    step: float,
    start: int | None = None,
    loss: Loss = cross_entropy,
    direction: Direction = gradient,
) -> tuple[Tensor, Tensor]:
    """Run sign-gradient ascent on a loss inside the L-infinity ball and [0, 1]: PGD, or FGSM for one step.

    An image counts as fooled when it fools the model at any iterate, so the result never depends on when the attack
    ends. Fooled images are not computed any more. Source: Madry et al., "Towards Deep Learning Models Resistant to
    Adversarial Attacks".

    Args:
        logits_of: takes (n, C, H, W), returns (n, K).
        images, labels: (N, C, H, W) in [0, 1] and (N,).
        eps, step: radius of the ball and size of a step.
        start: seed of a start drawn uniformly from the ball; None starts at the images.
        loss: takes (n, K) and (n,), returns (n,).
        direction: gives the direction whose sign is a step.

    Returns:
        (N,) bool, which images were fooled; (N, C, H, W), each image when it first fooled the model, or at its end.
    """
    low, high = (images - eps).clamp_min(0), (images + eps).clamp_max(1)
    current = images.clone()
    if start is not None:
        generator = torch.Generator().manual_seed(start)
        drawn = torch.rand(images.shape, generator=generator).to(images) * 2 - 1
        current = (images + eps * drawn).clamp(0, 1)
    fooled = torch.zeros_like(labels, dtype=torch.bool)
    for made in range(steps + 1):
        with torch.no_grad():
            still = (~fooled).nonzero().squeeze(1)
            fooled[still] = logits_of(current[still]).argmax(1) != labels[still]
            still = (~fooled).nonzero().squeeze(1)
        if made == steps or not len(still):
            break
        signs = direction(logits_of, current[still], labels[still], loss).sign()
        current[still] = torch.minimum(torch.maximum(current[still] + step * signs, low[still]), high[still])
    return fooled, current


def transferable(logits_of: Logits, images: Tensor, labels: Tensor, *, eps: float, steps: int = 10) -> Tensor:
    """Return images, (N, C, H, W), that should fool other models too, by sign-gradient ascent with momentum.

    All steps are taken, also after an image fools the model. Source: Dong et al., "Boosting Adversarial Attacks with
    Momentum" (MI-FGSM), with their decay of 1.
    """
    low, high = (images - eps).clamp_min(0), (images + eps).clamp_max(1)
    current, momentum = images.clone(), torch.zeros_like(images)
    for _ in range(steps):
        found = gradient(logits_of, current, labels, negative_margin)
        size = found.abs().flatten(1).mean(1).clamp_min(1e-12).view(-1, 1, 1, 1)
        momentum = momentum + found / size
        current = torch.minimum(torch.maximum(current + eps / steps * momentum.sign(), low), high)
    return current

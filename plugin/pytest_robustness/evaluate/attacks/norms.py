"""Norms, balls and margins of each row."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.rows import RowAttack, Rows

#: The norm in which a gradient is measured, so that the two norms bound its product with a perturbation.
DUAL = {"inf": "1", "2": "2"}


def norm_of(images: Tensor, norm: str) -> Tensor:
    """Return the norm of each row, (n,): "inf", "2" or "1".

    Sums are taken in float64, so that their order does not change the result.
    """
    flat = images.flatten(1)
    if norm == "inf":
        return flat.abs().amax(1)
    wide = flat.double()
    return (wide.abs().sum(1) if norm == "1" else wide.square().sum(1).sqrt()).to(images.dtype)


def project(images: Tensor, clean: Tensor, eps: float, norm: str) -> Tensor:
    """Return the nearest images, (n, C, H, W), that are at most ``eps`` away from clean, cut to [0, 1] afterwards."""
    delta = images - clean
    if norm == "inf":
        return delta.clamp_(-eps, eps).add_(clean).clamp_(0, 1)
    delta = delta * over((eps / norm_of(delta, norm).clamp_min(1e-12)).clamp_max(1), delta)
    return delta.add_(clean).clamp_(0, 1)


def random_point(rows: Rows, eps: float, norm: str) -> Tensor:
    """Return a random point of each image's ball, drawn for that image alone and cut to [0, 1].

    In L-infinity it is uniform. In L2 its direction is that of a uniform point of the cube, and its radius that of a
    uniform point of the ball. In thousands of dimensions such directions are nearly uniform.
    """
    delta = rows.draw_image(0) * 2 - 1
    if norm == "inf":
        return (rows.clean + delta * eps).clamp_(0, 1)
    radius = rows.draw(1, 1).squeeze(1).double().pow(1 / delta[0].numel()).to(delta.dtype) * eps
    return (rows.clean + delta * over(radius / norm_of(delta, norm).clamp_min(1e-12), delta)).clamp_(0, 1)


def free(gradient: Tensor, images: Tensor) -> Tensor:
    """Return the gradient where a pixel can follow it, and zero where it leads out of [0, 1]."""
    sign = gradient.sign()
    ahead = (images + sign).clamp_(0, 1).sub_(images).mul_(sign)  # above zero where a pixel can; faster than conditions
    return gradient * ahead.clamp_min_(0).sign_()


def over(rows: Tensor, images: Tensor) -> Tensor:
    """Return values of each row, (n,), in a shape that broadcasts over images, (n, 1, 1, 1)."""
    return rows.view(-1, *[1] * (images.ndim - 1))


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the label's logit minus the best other, (n,). It is below zero when the image fools the model."""
    label = labels.unsqueeze(1)
    return logits.gather(1, label).squeeze(1) - logits.scatter(1, label, -torch.inf).amax(1)


def size_of(attack: RowAttack, rows: Rows, candidates: Tensor) -> Tensor:
    """Return the size of each perturbation as the attack measures it, (n,) float64."""
    own = getattr(attack, "size", None)
    if own is not None:
        return own(rows, candidates)  # type: ignore[no-any-return]
    return norm_of(candidates - rows.clean, getattr(attack, "norm", None) or "2").double()

"""Checks of adversarial batches, and of which candidates an attack may answer with."""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import Norm

#: Rounding of x + delta in single precision, as an absolute value and as a share of epsilon.
SLACK, RELATIVE_SLACK = 1e-6, 1e-5


def within(candidates: Tensor, clean: Tensor, norm: Norm | None, eps: float) -> Tensor:
    """Return (n,) bool, which candidates are finite, in [0, 1] and, for a norm, at most ``eps`` away from clean."""
    flat = candidates.flatten(1)
    valid = (flat.amin(1) >= 0) & (flat.amax(1) <= 1)  # false for NaN
    if norm is None:
        return valid
    near: Tensor = _distance(candidates, clean, norm) <= _reach(eps)
    return valid & near


def is_constant(adversarial: Tensor, clean: Tensor) -> Tensor:
    """Return (n,) bool, which answers, (n, C, H, W), have one colour all over although their image has not.

    Such an answer is no perturbed image, whatever a model says of it. It comes from an attack that found nothing and
    returns what it was initialised with, as foolbox's L2CarliniWagnerAttack and EADAttack do with black images.
    """
    return _one_colour(adversarial) & ~_one_colour(clean)


def check_logits(logits: Tensor) -> None:
    """Raise RobustnessError when logits are not finite: by their argmax any image would count as fooled."""
    if not bool(logits.isfinite().all()):
        raise RobustnessError("the model's logits under attack are not finite")


def check_adversarial(returned: Any, clean: Tensor, norm: Norm | None, eps: float) -> Tensor:
    """Return an attack's answer to clean images (n, C, H, W), detached and with their dtype and device.

    Values that exceed [0, 1] or the ball by no more than rounding are put on its edge. All others stay as they are.

    Raises:
        RobustnessError: for an answer that is no batch of images of this shape, is not real numbers, is not finite,
            or leaves [0, 1] or the ball by more than rounding.
    """
    images = _as_images(returned, clean)
    low, high = (float(end) for end in images.aminmax()) if images.numel() else (0.0, 1.0)
    if not (isfinite(low) and isfinite(high)):
        raise RobustnessError("the attack returned images that are not finite")
    beyond = max(-low, high - 1)
    if beyond > SLACK:
        raise RobustnessError(f"the attack returned images in [{low:g}, {high:g}], {beyond:.3g} outside [0, 1]")
    if beyond > 0:
        images = images.clamp(0, 1)
    if norm is None or not images.numel():
        return images
    distance = _distance(images, clean, norm)
    largest = float(distance.max())
    if largest > _reach(eps):
        by = f"{largest:g} is {largest - eps:.3g} more than eps = {eps:g}"
        raise RobustnessError(f"the attack left its L{norm} ball: {by}")
    return images if largest <= eps else _pulled_back(images, clean, norm, eps, distance)


def _reach(eps: float) -> float:
    """Return how far away a candidate may be, rounding included."""
    return eps * (1 + RELATIVE_SLACK) + SLACK


def _distance(candidates: Tensor, clean: Tensor, norm: Norm) -> Tensor:
    """Return the distance of each candidate from its clean image, (n,).

    For "inf" it uses ``amax``, which on a CPU is faster than ``torch.linalg.vector_norm``.
    """
    difference = (candidates - clean).flatten(1)
    return difference.abs().amax(1) if norm == "inf" else torch.linalg.vector_norm(difference, ord=float(norm), dim=1)


def _pulled_back(images: Tensor, clean: Tensor, norm: Norm, eps: float, distance: Tensor) -> Tensor:
    """Return the images, with those outside of the ball moved to its edge.

    A pixel in L-infinity, or an image in L2 and L1, that is inside stays as it is.
    """
    if norm == "inf":
        return torch.minimum(torch.maximum(images, clean - eps), clean + eps)
    shape = -1, *[1] * (images.ndim - 1)
    share = (eps / distance.clamp_min(1e-30)).view(shape)
    return torch.where((distance > eps).view(shape), clean + (images - clean) * share, images)


def _as_images(returned: Any, clean: Tensor) -> Tensor:
    if not isinstance(returned, Tensor):
        raise RobustnessError(f"the attack returned {type(returned).__name__}, not images of {tuple(clean.shape)}")
    if returned.is_nested or returned.layout is not torch.strided or returned.device.type == "meta":
        kind = "nested" if returned.is_nested else str(returned.layout).removeprefix("torch.")
        kind = "meta" if returned.device.type == "meta" else kind
        raise RobustnessError(f"the attack returned a {kind} tensor, not images of {tuple(clean.shape)}")
    if returned.shape != clean.shape:
        raise RobustnessError(f"the attack returned {tuple(returned.shape)}, not images of {tuple(clean.shape)}")
    if not returned.is_floating_point():
        raise RobustnessError(f"the attack returned images of {returned.dtype}, not of {clean.dtype}")
    return returned.detach().to(clean)


def _one_colour(images: Tensor) -> Tensor:
    flat = images.flatten(2)
    return (flat.amax(2) == flat.amin(2)).all(1)

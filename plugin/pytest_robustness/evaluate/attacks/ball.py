"""What every adversarial batch must be, and which candidates an attack may answer with."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import Norm

#: Rounding of x + delta in single precision, absolutely and as a share of epsilon.
SLACK, RELATIVE_SLACK = 1e-6, 1e-5


def within(candidates: Tensor, clean: Tensor, norm: Norm | None, eps: float) -> Tensor:
    """(n,) bool: finite, in [0, 1] and, for a norm, at most ``eps`` away from clean."""
    flat = candidates.flatten(1)
    valid = (flat.amin(1) >= 0) & (flat.amax(1) <= 1)  # false for NaN
    if norm is None:
        return valid
    near: Tensor = _distance(candidates, clean, norm) <= eps * (1 + RELATIVE_SLACK) + SLACK
    return valid & near


def _distance(candidates: Tensor, clean: Tensor, norm: Norm) -> Tensor:
    """(n,), as ``torch.linalg.vector_norm``, which is slower than ``amax`` for the largest difference on a CPU."""
    difference = (candidates - clean).flatten(1)
    return difference.abs().amax(1) if norm == "inf" else torch.linalg.vector_norm(difference, ord=float(norm), dim=1)


def check_logits(logits: Tensor) -> None:
    """Raises RobustnessError for logits that are no numbers: their argmax would call any image fooled."""
    if not bool(logits.isfinite().all()):
        raise RobustnessError("the model's logits under attack are not finite")


def check_adversarial(adversarial: Tensor, clean: Tensor, norm: Norm | None, eps: float) -> None:
    """Raises RobustnessError for a batch that is no valid answer of an attack: a breach is no result."""
    if not isinstance(adversarial, Tensor) or adversarial.shape != clean.shape:
        shape = tuple(adversarial.shape) if isinstance(adversarial, Tensor) else type(adversarial).__name__
        raise RobustnessError(f"the attack returned {shape}, not images of {tuple(clean.shape)}")
    if bool(within(adversarial, clean, norm, eps).all()):
        return
    low, high = (float(end) for end in adversarial.detach().aminmax())
    if not (isfinite(low) and isfinite(high)):
        raise RobustnessError("the attack returned images that are not finite")
    if low < 0 or high > 1:
        raise RobustnessError(f"the attack returned images in [{low:g}, {high:g}], outside [0, 1]")
    largest = _distance(adversarial, clean, norm or "inf").max()
    raise RobustnessError(f"the attack left its L{norm} ball: {float(largest):g} is more than eps = {eps:g}")

"""What every adversarial batch must be, and which candidates an attack may answer with."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.registry import Norm

#: Rounding of x + delta in single precision, absolutely and as a share of epsilon.
SLACK, RELATIVE_SLACK = 1e-6, 1e-5


def within(candidates: Tensor, clean: Tensor, norm: Norm | None, eps: float) -> Tensor:
    """(n,) bool: finite, in [0, 1] and, for a norm, at most ``eps`` away from clean."""
    flat = candidates.flatten(1)
    valid = ((flat >= 0) & (flat <= 1)).all(1)  # false for NaN
    if norm is None:
        return valid
    distance = torch.linalg.vector_norm(flat - clean.flatten(1), ord=float(norm), dim=1)
    near: Tensor = distance <= eps * (1 + RELATIVE_SLACK) + SLACK
    return valid & near


def check_logits(logits: Tensor) -> None:
    """Raises RobustnessError for logits that are no numbers: their argmax would call any image fooled."""
    if not bool(logits.isfinite().all()):
        raise RobustnessError("the model's logits under attack are not finite")


def check(adversarial: Tensor, clean: Tensor, norm: Norm | None, eps: float) -> None:
    """Raises RobustnessError for a batch that is no valid answer of an attack: a breach is no result."""
    if not isinstance(adversarial, Tensor) or adversarial.shape != clean.shape:
        shape = tuple(adversarial.shape) if isinstance(adversarial, Tensor) else type(adversarial).__name__
        raise RobustnessError(f"the attack returned {shape}, not images of {tuple(clean.shape)}")
    if not bool(adversarial.isfinite().all()):
        raise RobustnessError("the attack returned images that are not finite")
    low, high = float(adversarial.min()), float(adversarial.max())
    if low < 0 or high > 1:
        raise RobustnessError(f"the attack returned images in [{low:g}, {high:g}], outside [0, 1]")
    if not bool(within(adversarial, clean, norm, eps).all()):
        largest = torch.linalg.vector_norm((adversarial - clean).flatten(1), ord=float(norm or "inf"), dim=1).max()
        raise RobustnessError(f"the attack left its L{norm} ball: {float(largest):g} is more than eps = {eps:g}")

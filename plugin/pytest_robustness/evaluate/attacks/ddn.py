"""The decoupled direction and norm attack, which looks for the nearest image that fools, in L2."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.losses import loss_named
from pytest_robustness.evaluate.attacks.norms import norm_of, over
from pytest_robustness.evaluate.attacks.rows import Rows, after_steps

ALPHA_LAST = 0.01  # the last value of the cosine schedule


class DDN:
    """Search each image's smallest L2 perturbation that fools: its direction by the gradient, its norm by a factor.

    Each step adds the normalised gradient of the loss to the perturbation. It then gives the sum a norm that is smaller
    than the last one by a factor when the image was fooled, and larger when it was not.

    No image depends on another: the result depends only on the model, the image and its label.

    Source: Rony, Hafemann, Oliveira, Ben Ayed, Sabourin and Granger, "Decoupling Direction and Norm for Efficient
    Gradient-Based L2 Adversarial Attacks and Defenses", CVPR 2019, algorithm 1.

    Args:
        steps: forward and backward passes of each image.
        init: the first norm.
        gamma: relative change of the norm in a step.
        eps: an image counts as fooled only at an L2 distance of at most this; None means at any distance.
        loss: "scale-free" (cross-entropy whose gradient does not vanish where the model is sure), "cross-entropy" or
            "margin".
    """

    norm, minimises = "2", True

    def __init__(
        self,
        steps: int = 20,
        init: float = 1.0,
        gamma: float = 0.05,
        eps: float | None = None,
        loss: str = "scale-free",
    ) -> None:
        self.steps, self.init, self.gamma, self.eps, self._loss = steps, init, gamma, eps, loss_named(loss)
        falling = torch.tensor([(1 + math.cos(math.pi * t / max(steps, 1))) / 2 for t in range(steps)])
        self._alpha = ALPHA_LAST + (1 - ALPHA_LAST) * falling

    def start(self, rows: Rows) -> None:
        """Begin at the images, with the first norm."""
        rows["candidate"], rows["delta"] = rows.clean, torch.zeros_like(rows.clean)
        rows["radius"] = torch.full_like(rows.clean[:, 0, 0, 0], self.init)

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def loss(self, logits: Tensor, rows: Rows) -> Tensor:
        return self._loss(logits, rows.label)

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor, fooled: Tensor) -> Tensor:
        alpha = self._alpha.to(gradient.device)[rows.step]
        delta = rows["delta"] + gradient * over(alpha / norm_of(gradient, "2").clamp_min(1e-12), gradient)
        rows["radius"] = rows["radius"] * torch.where(fooled, 1 - self.gamma, 1 + self.gamma)
        sized = delta * over(rows["radius"] / norm_of(delta, "2").clamp_min(1e-12), delta)
        rows["candidate"] = (rows.clean + sized).clamp_(0, 1)
        rows["delta"] = rows["candidate"] - rows.clean
        return after_steps(rows, self.steps)

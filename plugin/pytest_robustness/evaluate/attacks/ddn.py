"""The decoupled direction and norm attack: how far away the nearest image is that fools, in L2."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pytest_robustness.evaluate.attacks.norms import norm_of, over, smallest

ALPHA_LAST = 0.01  # of the cosine schedule


class DDN:
    """Search each image's smallest L2 perturbation that fools: its direction by the gradient, its norm by a factor.

    Each step adds the normalised gradient of the cross-entropy to the perturbation, and gives the sum a norm that is a
    factor smaller than the last one where the image was fooled, and larger where it was not.

    No image looks at another: the result depends on the model, the image and its label alone.

    Source: Rony, Hafemann, Oliveira, Ben Ayed, Sabourin and Granger, "Decoupling Direction and Norm for Efficient
    Gradient-Based L2 Adversarial Attacks and Defenses", CVPR 2019, algorithm 1.

    Args:
        model: logits of images in [0, 1]; one that accepts rows is told which row each image is.
        steps: forward and backward passes of each image.
        init: the first norm.
        gamma: relative change of the norm in a step.

    Shape:
        images (N, C, H, W) in [0, 1], labels (N,); returns (N, C, H, W), images that were not fooled unchanged.
    """

    norm = "2"

    def __init__(self, model: Any, steps: int = 20, init: float = 1.0, gamma: float = 0.05) -> None:
        self.model, self.steps, self.init, self.gamma = model, steps, init, gamma

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        return smallest(self, self.model, images, labels)

    def start(self, images: Tensor) -> None:
        """Begin at the images, with the first norm."""
        self.delta = torch.zeros_like(images)
        self.radius = torch.full((len(images),), self.init, dtype=images.dtype, device=images.device)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy, (n,)."""
        return functional.cross_entropy(logits, labels, reduction="none")

    def step(self, step: int, images: Tensor, loss: Tensor, gradient: Tensor, fooled: Tensor, best: Tensor) -> Tensor:
        """Return the next candidates, (N, C, H, W). Arguments as ``FMN.step`` has them."""
        alpha = ALPHA_LAST + (1 - ALPHA_LAST) * (1 + math.cos(math.pi * step / self.steps)) / 2
        delta = self.delta + gradient * over(alpha / norm_of(gradient, "2").clamp_min(1e-12), gradient)
        self.radius = self.radius * torch.where(fooled, 1 - self.gamma, 1 + self.gamma)
        candidates = (images + delta * over(self.radius / norm_of(delta, "2").clamp_min(1e-12), delta)).clamp_(0, 1)
        self.delta = candidates - images
        return candidates

"""The fast minimum-norm attack: how far away the nearest image is that fools, in L-infinity or L2."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import DUAL, free, margin, norm_of, over, smallest

#: How far beyond the estimated boundary a radius reaches until an image is first fooled.
BEYOND = 1.001
#: Of the cosine schedules, as in the paper: alpha_K = alpha_0 / 100.
ALPHA_LAST, GAMMA_LAST = 0.01, 0.001


class FMN:
    """Search each image's smallest perturbation that fools: a radius is adapted by steps, not given.

    Each step moves the perturbation along the gradient of the margin, normalised, and projects it onto a ball whose
    radius shrinks by a factor while the image is fooled and grows while it is not. Until an image is first fooled, its
    radius is the distance at which the margin, taken to be linear, is zero. Steps and factors fall as a cosine.

    Two things differ from the paper, which with black or white pixels may end short of a boundary it sees: the gradient
    counts only where the box [0, 1] lets a pixel follow it, and that first radius is a thousandth larger, since a model
    that is linear there is not yet fooled exactly on its boundary.

    No image looks at another: the result depends on the model, the image and its label alone.

    Source: Pintor, Roli, Brendel and Biggio, "Fast Minimum-norm Adversarial Attacks through Adaptive Norm
    Constraints", NeurIPS 2021, algorithm 1.

    Args:
        model: logits of images in [0, 1]; one that accepts rows is told which row each image is.
        norm: "inf" or "2", of the perturbation that is made small.
        steps: forward and backward passes of each image.
        alpha: size of the first step, in L2.
        gamma: relative change of the radius in the first step.

    Shape:
        images (N, C, H, W) in [0, 1], labels (N,); returns (N, C, H, W), images that were not fooled unchanged.
    """

    def __init__(
        self, model: Any, norm: Literal["inf", "2"] = "inf", steps: int = 20, alpha: float = 1.0, gamma: float = 0.05
    ) -> None:
        self.model, self.norm, self.steps, self.alpha, self.gamma = model, norm, steps, alpha, gamma
        if norm not in DUAL:
            raise ValueError(f"norm: {norm!r} is not one of {', '.join(DUAL)}")

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        return smallest(self, self.model, images, labels)

    def start(self, images: Tensor) -> None:
        """Begin at the images, with no radius yet."""
        self.delta = torch.zeros_like(images)
        self.farthest = norm_of(torch.maximum(images, 1 - images), self.norm)  # no image of the box lies farther
        self.radius = self.farthest.clone()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The best other logit over the label's, (n,): above zero is fooled."""
        return -margin(logits, labels)

    def step(self, step: int, images: Tensor, loss: Tensor, gradient: Tensor, fooled: Tensor, best: Tensor) -> Tensor:
        """Return the next candidates, (N, C, H, W).

        Args:
            step: 0, 1, 2, ...
            loss, gradient, fooled: of the current candidates.
            best: (N,) norm of the smallest perturbation that fooled so far, infinite where none did.
        """
        falling = (1 + math.cos(math.pi * step / self.steps)) / 2
        alpha = self.alpha * (ALPHA_LAST + (1 - ALPHA_LAST) * falling)
        gamma = GAMMA_LAST + (self.gamma - GAMMA_LAST) * falling
        gradient = free(gradient, images + self.delta)
        boundary = norm_of(self.delta, self.norm) + loss.abs() / norm_of(gradient, DUAL[self.norm]).clamp_min(1e-12)
        inside = torch.minimum(self.radius * (1 - gamma), best)
        outside = torch.where(best.isfinite(), self.radius * (1 + gamma), boundary * BEYOND)
        self.radius = torch.minimum(torch.where(fooled, inside, outside), self.farthest)
        delta = self.delta + gradient * over(alpha / norm_of(gradient, "2").clamp_min(1e-12), gradient)
        candidates = (images + self._projected(delta)).clamp_(0, 1)
        self.delta = candidates - images
        return candidates

    def _projected(self, delta: Tensor) -> Tensor:
        radius = over(self.radius, delta)
        if self.norm == "inf":
            return torch.minimum(torch.maximum(delta, -radius), radius)
        return delta * (radius / over(norm_of(delta, "2").clamp_min(1e-12), delta)).clamp_max(1)

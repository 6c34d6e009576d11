"""The fast minimum-norm attack, which looks for the nearest image that fools, in L-infinity or L2."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import DUAL, free, margin, norm_of, over
from pytest_robustness.evaluate.attacks.rows import Rows, after_steps

#: How far beyond the estimated boundary a radius reaches until an image is first fooled.
BEYOND = 1.001
#: The last values of the cosine schedules; as in the paper alpha_K = alpha_0 / 100.
ALPHA_LAST, GAMMA_LAST = 0.01, 0.001


class FMN:
    """Search each image's smallest perturbation that fools, with a radius that is adapted step by step.

    Each step moves the perturbation along the gradient of the margin, normalised, and projects it onto a ball whose
    radius shrinks by a factor while the image is fooled and grows while it is not. Until an image is first fooled, its
    radius is the distance at which the margin, taken to be linear, is zero. Steps and factors fall as a cosine.

    Two things differ from the paper's attack, which with black or white pixels may end short of a boundary that it has
    found. The gradient counts only where a pixel can follow it inside [0, 1]. And the radius until an image is first
    fooled is a thousandth larger, because a model that is linear there is not yet fooled exactly on its boundary.

    No image depends on another: the result depends only on the model, the image and its label.

    Source: Pintor, Roli, Brendel and Biggio, "Fast Minimum-norm Adversarial Attacks through Adaptive Norm
    Constraints", NeurIPS 2021, algorithm 1.

    Args:
        norm: "inf" or "2", the norm in which the perturbation is made small.
        steps: forward and backward passes of each image.
        alpha: size of the first step, in L2.
        gamma: relative change of the radius in the first step.
        eps: an image counts as fooled only at a distance of at most this, in the norm; None means at any distance.
    """

    minimises = True

    def __init__(
        self, norm: str = "inf", steps: int = 20, alpha: float = 1.0, gamma: float = 0.05, eps: float | None = None
    ) -> None:
        self.norm, self.steps, self.alpha, self.gamma, self.eps = norm, steps, alpha, gamma, eps
        if norm not in DUAL:
            raise ValueError(f"norm: {norm!r} is not one of {', '.join(DUAL)}")
        falling = torch.tensor([(1 + math.cos(math.pi * t / max(steps, 1))) / 2 for t in range(steps)])
        self._alpha = alpha * (ALPHA_LAST + (1 - ALPHA_LAST) * falling)
        self._gamma = GAMMA_LAST + (gamma - GAMMA_LAST) * falling

    def start(self, rows: Rows) -> None:
        """Begin at the images, with no radius yet."""
        rows["candidate"], rows["delta"] = rows.clean, torch.zeros_like(rows.clean)
        rows["farthest"] = norm_of(torch.maximum(rows.clean, 1 - rows.clean), self.norm)  # in [0, 1]
        rows["radius"] = rows["farthest"]

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def loss(self, logits: Tensor, rows: Rows) -> Tensor:
        """Return the best other logit minus the label's, (n,). It is above zero when the image fools the model."""
        return -margin(logits, rows.label)

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor, fooled: Tensor) -> Tensor:
        clean, delta = rows.clean, rows["delta"]
        alpha, gamma = (table.to(clean.device)[rows.step] for table in (self._alpha, self._gamma))
        gradient = free(gradient, clean + delta)
        slope = norm_of(gradient, DUAL[self.norm]).clamp_min(1e-12)
        boundary = norm_of(delta, self.norm) + margin(logits, rows.label).abs() / slope
        best = rows["best"].to(clean.dtype)
        inside = torch.minimum(rows["radius"] * (1 - gamma), best)
        outside = torch.where(best.isfinite(), rows["radius"] * (1 + gamma), boundary * BEYOND)
        rows["radius"] = torch.minimum(torch.where(fooled, inside, outside), rows["farthest"])
        delta = delta + gradient * over(alpha / norm_of(gradient, "2").clamp_min(1e-12), gradient)
        rows["candidate"] = (clean + self._projected(delta, over(rows["radius"], delta))).clamp_(0, 1)
        rows["delta"] = rows["candidate"] - clean
        return after_steps(rows, self.steps)

    def _projected(self, delta: Tensor, radius: Tensor) -> Tensor:
        if self.norm == "inf":
            return torch.minimum(torch.maximum(delta, -radius), radius)
        return delta * (radius / over(norm_of(delta, "2").clamp_min(1e-12), delta)).clamp_max(1)

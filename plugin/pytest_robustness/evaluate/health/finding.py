"""The subject of a check: a model, some images, and what several checks compute from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.registry import ResolvedAttack
from pytest_robustness.evaluate.health.pgd import (
    Direction,
    Logits,
    Loss,
    ascent,
    cross_entropy,
    gradient,
    margin,
    reference_pgd,
)
from pytest_robustness.evaluate.models.contract import log_probabilities
from pytest_robustness.records.finding import Finding

#: How far from 1 the sum of probabilities may be.
NORMALISED = 1e-3
#: The largest margin is scaled down to this one, at which cross-entropy does not saturate.
MARGIN = 5.0
#: Half the length of the secant along which a gradient's prediction is checked, as a share of a pixel's range.
HALF_SECANT = 1 / 1024
#: Points of a secant at which its gradient is looked at finely, and the share of the median margin that it may move the
#: median image by: over more the gradient of a large network, in 150,000 dimensions, changes many times.
POINTS, MODEST = 8, 0.5


def are_probabilities(values: Tensor) -> bool:
    """Return whether a model's answers, (n, K), are those of a softmax head."""
    exact = values.double()
    return bool((exact >= 0).all() and ((exact.sum(1) - 1).abs() < NORMALISED).all())


@dataclass(frozen=True)
class Subject:
    """Holds a model and some images it classifies correctly.

    Attributes:
        classifier: takes images (n, C, H, W) in [0, 1], returns logits (n, K).
        images, labels: (N, C, H, W) and (N,), all of them classified correctly, on the classifier's device.
        right, tried: how many images were classified correctly, and how many were looked at.
        eps: radius of the L-infinity ball the suite attacks in.
        attacks: the suite's attacks by name.
        seed: the suite's seed.
        row_floor: rows of the smallest batch that is bit-equal to larger ones.
        loss: the loss that the suite's attacks maximise; the plain cross-entropy when one of them does that.
        head: what the suite says the model answers with: logits, softmax or sigmoid.
        transferred: (N,) bool, which adversarial images made on another model fool this one; None when there was no
            other model to use.
        draw_more: returns the same with other images of the suite, as many each.
    """

    classifier: Logits
    images: Tensor
    labels: Tensor
    right: int
    tried: int
    eps: float
    attacks: dict[str, ResolvedAttack]
    seed: int = 0
    row_floor: int = 16
    loss: Loss = cross_entropy
    head: str = "logits"
    transferred: Tensor | None = None
    draw_more: Callable[[], Sequence[Subject]] = tuple

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def logits(self) -> Tensor:
        """Return the (N, K) logits of the clean images."""
        with torch.no_grad():
            return self.classifier(self.images)

    @cached_property
    def others(self) -> Sequence[Subject]:
        """Return the subject with other images, for checks that these leave in doubt."""
        return self.draw_more()

    @cached_property
    def scale(self) -> float:
        """Return the factor, 1 at most, at which the largest margin is one where cross-entropy does not saturate."""
        return min(1.0, MARGIN / float(margin(self.logits, self.labels).max().clamp_min(1e-12)))

    def scaled_down(self, images: Tensor) -> Tensor:
        """Return the logits of images, (n, K), times ``scale``."""
        return self.classifier(images) * self.scale

    @cached_property
    def inner(self) -> Tensor:
        """Return the (N, C, H, W) images, kept away from 0 and 1 by half a secant, so that its ends are images too."""
        return self.images.clamp(HALF_SECANT, 1 - HALF_SECANT)

    @cached_property
    def unsaturated(self) -> Logits:
        """Return the classifier, or the logarithm of its answers when it has a softmax head.

        The logarithm's gradients do not vanish where the softmax saturates.
        """
        if not are_probabilities(self.logits):
            return self.classifier
        return lambda images: log_probabilities(self.classifier(images))

    @cached_property
    def margin_gradient(self) -> Tensor:
        """Return the (N, C, H, W) gradient of the margin at the images ``inner``."""
        return gradient(self.unsaturated, self.inner, self.labels, margin)

    @cached_property
    def half_secant(self) -> float:
        """Return half the length of a secant that is looked at finely: a short one, where the boundary is near."""
        furthest = float(2 * HALF_SECANT * self.margin_gradient.abs().flatten(1).sum(1).median())
        margins = float(margin(self.unsaturated(self.inner), self.labels).abs().median())
        return HALF_SECANT * min(1.0, MODEST * margins / furthest) if 0 < furthest < math.inf else HALF_SECANT

    def secant(self, signs: Tensor, *, finely: bool = False) -> tuple[Tensor, Tensor]:
        """Return the change of the margin along a secant, and the change that its gradient predicts, (N,) each.

        The prediction is by the gradient in the middle of the secant, or ``finely`` by its mean over several points of
        a secant that may be shorter. A gradient that is the function's own adds up to its change along any path,
        however rough the function is (the fundamental theorem of calculus). Another's, or one lost in part, does not.

        ``signs``, (N, C, H, W), are -1, 0 or 1 and give the secant's direction. It is ``2 * HALF_SECANT`` long in each
        pixel, or twice ``half_secant``.
        """
        half = self.half_secant if finely else HALF_SECANT
        with torch.no_grad():
            ahead, behind = (margin(self.unsaturated(self.inner + way * half * signs), self.labels) for way in (1, -1))
        found = self.margin_gradient
        if finely:
            places = [half * ((2 * point + 1) / POINTS - 1) for point in range(POINTS)]
            slopes = (gradient(self.unsaturated, self.inner + at * signs, self.labels, margin) for at in places)
            found = sum(slopes, torch.zeros_like(found)) / POINTS
        return ahead - behind, 2 * half * (found * signs).flatten(1).sum(1)

    @cached_property
    def fgsm(self) -> Tensor:
        """Return (N,) bool, which images one step of size eps fools."""
        return reference_pgd(
            self.classifier, self.images, self.labels, eps=self.eps, steps=1, step=self.eps, loss=self.loss
        )

    @cached_property
    def pgd(self) -> Tensor:
        """Return (N,) bool, which images PGD of ten steps fools."""
        return self._pgd[0]

    @cached_property
    def pgd_images(self) -> Tensor:
        """Return the (N, C, H, W) images with which PGD first fooled the model, or at which it ended."""
        return self._pgd[1]

    @cached_property
    def _pgd(self) -> tuple[Tensor, Tensor]:
        return self._ascent(self.classifier, self.eps)

    def ascended(
        self, logits_of: Logits, eps: float, loss: Loss | None = None, direction: Direction = gradient
    ) -> Tensor:
        """Return (N,) bool, which images PGD in a ball of radius ``eps`` fools.

        Its random start depends on the seed only.
        """
        return self._ascent(logits_of, eps, loss, direction)[0]

    def _ascent(
        self, logits_of: Logits, eps: float, loss: Loss | None = None, direction: Direction = gradient
    ) -> tuple[Tensor, Tensor]:
        return ascent(
            logits_of,
            self.images,
            self.labels,
            eps=eps,
            steps=10,
            step=eps / 4,
            start=self.seed,
            loss=loss or self.loss,
            direction=direction,
        )

    def fraction(self, which: Tensor) -> float:
        """Return the share of images for which ``which`` is true; 0 when there are no images."""
        return int(which.sum()) / len(which) if len(which) else 0.0


#: Returns None when the check cannot be made for this model.
Check = Callable[[Subject], Finding | None]
Checks = Sequence[Check]

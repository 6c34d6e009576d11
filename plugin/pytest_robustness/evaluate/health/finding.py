"""What checks look at."""

from __future__ import annotations

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
from pytest_robustness.records.finding import Finding

#: How near to 1 the sum of probabilities is.
NORMALISED = 1e-3
#: Half of the secant along which a gradient is compared with what it predicts; of a pixel's range.
HALF_SECANT = 1 / 1024


def are_probabilities(values: Tensor) -> bool:
    """Whether a model's answers, (n, K), are those of a softmax head."""
    exact = values.double()
    return bool((exact >= 0).all() and ((exact.sum(1) - 1).abs() < NORMALISED).all())


@dataclass(frozen=True)
class Subject:
    """A model and some images it classifies correctly.

    Attributes:
        classifier: images (n, C, H, W) in [0, 1] to logits (n, K).
        images, labels: (N, C, H, W) and (N,), all of them classified correctly, on the classifier's device.
        right, tried: of so many images looked at, so many were classified correctly.
        eps: radius of the L-infinity ball the suite attacks in.
        attacks: the suite's attacks by name.
        seed: the suite's.
        row_floor: rows of the smallest batch that is bit-equal to larger ones.
        loss: what the suite's attacks climb; the textbook's cross-entropy where one of them does.
        head: what the suite says the model answers with: logits, softmax or sigmoid.
        transferred: (N,) bool, fooled by what was made on another model; None: none was at hand.
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

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def logits(self) -> Tensor:
        """(N, K), of the clean images."""
        with torch.no_grad():
            return self.classifier(self.images)

    @cached_property
    def inner(self) -> Tensor:
        """(N, C, H, W): the images, moved inwards as far as a secant reaches: its ends are images too."""
        return self.images.clamp(HALF_SECANT, 1 - HALF_SECANT)

    @cached_property
    def unsaturated(self) -> Logits:
        """The classifier; of one with a softmax head the logarithm of its answers, whose slopes do not die away."""
        if not are_probabilities(self.logits):
            return self.classifier
        return lambda images: self.classifier(images).clamp_min(torch.finfo(self.logits.dtype).tiny).log()

    @cached_property
    def margin_gradient(self) -> Tensor:
        """(N, C, H, W): of the margin, there."""
        return gradient(self.unsaturated, self.inner, self.labels, margin)

    def secant(self, signs: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) each: the margin's change from one end of a secant along signs to the other; what its gradient predicts.

        ``signs``, (N, C, H, W), are -1, 0 or 1; the secant is ``2 * HALF_SECANT`` long in each pixel.
        """
        with torch.no_grad():
            ahead, behind = (
                margin(self.unsaturated(self.inner + way * HALF_SECANT * signs), self.labels) for way in (1, -1)
            )
        return ahead - behind, 2 * HALF_SECANT * (self.margin_gradient * signs).flatten(1).sum(1)

    @cached_property
    def fgsm(self) -> Tensor:
        """(N,) bool: fooled by one step of size eps."""
        return reference_pgd(
            self.classifier, self.images, self.labels, eps=self.eps, steps=1, step=self.eps, loss=self.loss
        )

    @cached_property
    def pgd(self) -> Tensor:
        """(N,) bool: fooled by PGD of ten steps."""
        return self._pgd[0]

    @cached_property
    def pgd_images(self) -> Tensor:
        """(N, C, H, W): where PGD first fooled the model, or ended."""
        return self._pgd[1]

    @cached_property
    def _pgd(self) -> tuple[Tensor, Tensor]:
        return self._ascent(self.classifier, self.eps)

    def ascended(
        self, logits_of: Logits, eps: float, loss: Loss | None = None, direction: Direction = gradient
    ) -> Tensor:
        """(N,) bool: fooled by PGD in a ball of radius ``eps``, from a random start that depends on the seed only."""
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
        """Of the images; 0 where there are none."""
        return float(which.float().mean()) if len(which) else 0.0


#: None: it cannot be made of this model.
Check = Callable[[Subject], Finding | None]
Checks = Sequence[Check]

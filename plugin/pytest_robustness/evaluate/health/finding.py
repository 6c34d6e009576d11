"""What a check finds, and what checks look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.registry import ResolvedAttack
from pytest_robustness.evaluate.health.pgd import Logits, reference_pgd


@dataclass(frozen=True)
class Finding:
    """What one check says of one model.

    Attributes:
        check: its name.
        passed: whether attacks on the model can be believed, as far as this check can tell.
        numbers: what was measured, in one line.
        meaning: what a failure usually means.
        advice: what to do about it.
    """

    check: str
    passed: bool
    numbers: str
    meaning: str
    advice: str

    def __str__(self) -> str:
        line = f"{self.check}: {self.numbers}"
        return line if self.passed else f"{line}. Usually {self.meaning}. {self.advice}"


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

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def logits(self) -> Tensor:
        """(N, K), of the clean images."""
        with torch.no_grad():
            return self.classifier(self.images)

    @cached_property
    def fgsm(self) -> Tensor:
        """(N,) bool: fooled by one step of size eps."""
        return reference_pgd(self.classifier, self.images, self.labels, eps=self.eps, steps=1, step=self.eps)

    @cached_property
    def pgd(self) -> Tensor:
        """(N,) bool: fooled by PGD of ten steps."""
        return self.ascended(self.classifier, self.eps)

    def ascended(self, logits_of: Logits, eps: float) -> Tensor:
        """(N,) bool: fooled by PGD in a ball of radius ``eps``, from a random start that depends on the seed only."""
        return reference_pgd(logits_of, self.images, self.labels, eps=eps, steps=10, step=eps / 4, start=self.seed)

    def fraction(self, which: Tensor) -> float:
        """Of the images; 0 where there are none."""
        return float(which.float().mean()) if len(which) else 0.0


Check = Callable[[Subject], Finding]
Checks = Sequence[Check]

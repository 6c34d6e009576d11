"""A check that a model is a function of the image: only then can two of its answers be compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pytest_robustness.evaluate.models.classifier import Classifier, padded
from pytest_robustness.evaluate.runtime.seeding import seeded

#: How far rounding may move a logit, as a share of the logits' range, with other batch mates or other algorithms.
ROUNDING = 1e-3

RANDOM = "it draws random numbers: dropout or noise left on in eval mode, random resizing"
REMEMBERS = "it remembers what it saw before, or draws random numbers of a generator of its own"
GRADIENTS = "it answers otherwise while gradients are computed: something like dropout that is on under gradients only"
MATES = (
    "it looks at the other images of its batch, or at an image's place among them: "
    "batch norm without running statistics, or noise by position"
)


class Repeats:
    """Runs a model on its first batch again, before and after the attack, and compares the logits.

    Before the attack some of the images are given to the model a second time: in another order, in a smaller batch and
    while gradients are computed. The logits must agree except for rounding. After the attack the first forward is
    repeated unchanged. On a CPU its logits must agree bit for bit.

    Args:
        classifier: the model.
        images: (n, C, H, W) in [0, 1], on its device.
        row_floor: rows of the smallest batch that is bit-equal to a full one.
        seed: seeds the random numbers a model draws, which differ from one forward to the next.
    """

    def __init__(self, classifier: Classifier, images: Tensor, row_floor: int, seed: int) -> None:
        self.classifier, self.images, self.row_floor, self.seed = classifier, images, row_floor, seed
        self._first = self._logits("first")

    def problem_before(self) -> str | None:
        """Return why the model is not a function of the image, as far as this can be seen before an attack.

        Returns None when it is one.
        """
        count = len(self.images)
        some = torch.arange(count - 1, -1, -1, device=self.images.device)[: max(1, count // 2)]
        with torch.enable_grad():
            asked = self._asked("second", lambda: self.images[some].clone().requires_grad_())
        return None if _agree(asked, self._first[some]) else self._kind()

    def problem_after(self) -> str | None:
        """Return why the model is not a function of the image, as seen after an attack. Returns None when it is one."""
        now = self._logits("after")
        exact = self.images.device.type == "cpu"
        same = torch.equal(now, self._first) if exact else _agree(now, self._first)
        return None if same else self._kind(REMEMBERS)

    def _kind(self, otherwise: str = MATES) -> str:
        """Return the reason why two answers differ; ``otherwise`` when no other reason is found."""
        first, again, other = self._logits("a"), self._logits("a"), self._logits("b")
        if not _agree(first, again):
            return REMEMBERS
        if not _agree(first, other):
            return RANDOM
        with torch.enable_grad():
            under = self._asked("a", lambda: self.images.clone().requires_grad_())
        return otherwise if _agree(first, under) else GRADIENTS

    @torch.no_grad()
    def _logits(self, place: str) -> Tensor:
        return self._asked(place, lambda: self.images)

    def _asked(self, place: str, images: Callable[[], Tensor]) -> Tensor:
        with seeded(self.seed, f"is it a function/{place}"):
            return padded(self.classifier, images(), self.row_floor).detach()


def _agree(some: Tensor, others: Tensor) -> bool:
    """Return whether logits are equal except for rounding. Logits that are not finite are checked elsewhere."""
    spread = (others.amax() - others.amin()).clamp_min(1e-12)
    return not bool(((some - others).abs() / spread > ROUNDING).any())

"""Whether a model is a function of the image: only then does it make sense to compare what it says twice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pytest_robustness.evaluate.models.classifier import Classifier, padded
from pytest_robustness.evaluate.runtime.seeding import seeded

#: By so much, as a share of the logits' range, rounding may move a logit: other batch mates, other algorithms.
ROUNDING = 1e-3

RANDOM = "it draws random numbers: dropout or noise left on in eval mode, random resizing"
REMEMBERS = "it remembers what it saw before, or draws random numbers of a generator of its own"
GRADIENTS = "it answers otherwise while gradients are computed: something like dropout that is on under gradients only"
MATES = (
    "it looks at the other images of its batch, or at an image's place among them: "
    "batch norm without running statistics, or noise by position"
)


class Repeats:
    """Asks a model about its first batch again, before and after the attack.

    Before, some of the images are asked about a second time: in another order and among fewer others, while gradients
    are computed. The logits must agree but for rounding. Afterwards the first forward is repeated as it was; on a CPU
    it must agree bit for bit.

    Args:
        classifier: the model.
        images: (n, C, H, W) in [0, 1], on its device.
        row_floor: rows of the smallest batch that is bit-equal to a full one.
        seed: what a model draws follows from it, another number each time.
    """

    def __init__(self, classifier: Classifier, images: Tensor, row_floor: int, seed: int) -> None:
        self.classifier, self.images, self.row_floor, self.seed = classifier, images, row_floor, seed
        self._first = self._logits("first")

    def problem_before(self) -> str | None:
        """What kind of no function the model is, as far as it shows before an attack; None where it is one."""
        count = len(self.images)
        some = torch.arange(count - 1, -1, -1, device=self.images.device)[: max(1, count // 2)]
        with torch.enable_grad():
            asked = self._asked("second", lambda: self.images[some].clone().requires_grad_())
        return None if _agree(asked, self._first[some]) else self._kind()

    def problem_after(self) -> str | None:
        """The same after an attack."""
        now = self._logits("after")
        exact = self.images.device.type == "cpu"
        same = torch.equal(now, self._first) if exact else _agree(now, self._first)
        return None if same else self._kind(REMEMBERS)

    def _kind(self, otherwise: str = MATES) -> str:
        """Which of the kinds explains that two answers differ."""
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
    """Whether logits are equal but for rounding; what is not finite is somebody else's business."""
    spread = (others.amax() - others.amin()).clamp_min(1e-12)
    return not bool(((some - others).abs() / spread > ROUNDING).any())

"""The meter between attack and classifier: it counts, notices first successes and skips rows whose outcome is known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pytest_robustness.evaluate.attacks.ball import check_logits
from pytest_robustness.evaluate.models.classifier import Frozen, padded

#: The effort of an image that has not been fooled so far.
UNFOOLED = -1

Ball = Callable[[Tensor, Tensor], Tensor]


class Exhausted(Exception):
    """Raised when every row of the batch is fooled, so that the attack has nothing left to do."""


class Meter(Frozen):
    """Takes the place of the model that an attack sees for one batch, and measures the attack.

    A forward whose rows are *candidates*, that is perturbed images of their rows, is watched. When a row is classified
    wrongly for the first time, it is a success after as many gradient evaluations as were made until then. With
    ``freeze`` such a row also leaves the batch, in the same forward that reveals it: its logits are cut from the graph,
    so its gradient is zero and a gradient attack leaves it where it is. Later forwards compute the other rows only, and
    give the frozen ones their last logits.

    When a forward has another number of inputs, it is not known whose candidates they are. When a row has left its
    ball, the inputs are no candidates, whatever the attack is said to do. From such a forward on the meter only counts,
    and ``withdrawn`` says why.

    Small batches are not bit-equal to large ones, so no forward of a compacted batch has fewer than ``row_floor``
    rows. Rows are repeated to fill it.

    Args:
        classifier: the classifier under attack.
        images: (N, C, H, W), clean.
        labels: (N,).
        attempts: (N,) bool, the rows that count; the others are never successes and, with ``freeze``, never computed.
        candidates: whether the attack's forwards are perturbed images of their rows; if not, the meter only counts.
        freeze: whether fooled rows leave the batch.
        ball: takes candidates and clean images, returns (n,) bool, which rows an attack may answer with.
        row_floor: rows of the smallest batch that is bit-equal to larger ones.

    Attributes:
        forwards, gradients: calls and gradient evaluations of the batch so far.
        rows, gradient_rows: images computed in these calls, repeated ones included.
        withdrawn: why the meter only counts by now; empty when it still watches, or never did.
        effort: (N,) gradient evaluations before each row's first success; ``UNFOOLED`` until then.
        adversarial: (N, C, H, W), each row as it was at its first success; clean until then.
    """

    def __init__(
        self,
        classifier: Frozen,
        images: Tensor,
        labels: Tensor,
        attempts: Tensor,
        *,
        candidates: bool,
        freeze: bool,
        ball: Ball,
        row_floor: int,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.images, self.labels = images, labels
        self.candidates, self.freeze = candidates, freeze
        self.ball, self.row_floor = ball, row_floor
        self.forwards = 0
        self.gradients = 0
        self.rows = 0
        self.gradient_rows = 0
        self.withdrawn = ""
        self.effort = torch.full_like(labels, UNFOOLED)
        self.adversarial = images.clone()
        self._open = attempts.clone()  # rows whose first success is still awaited
        self._last_logits: Tensor | None = None

    @property
    def fooled(self) -> Tensor:
        """Return (N,) bool, which rows have had a success that was noticed."""
        return self.effort != UNFOOLED

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (n, K) of ``inputs``, (n, C, H, W). When n is N, input i is a candidate of row i.

        Raises Exhausted when the meter freezes and every row is fooled.
        """
        self.forwards += 1
        if self.freeze and self.candidates and not bool(self._open.any()):
            raise Exhausted
        self._withdraw(inputs)
        if inputs.requires_grad:  # a model in channels_last gives gradients of that format, which some attacks view
            inputs = inputs.view_as(inputs)
            inputs.register_hook(lambda gradient: gradient.contiguous())
        if not self.candidates:
            return self._compute(inputs)
        if self.freeze:
            return self._active_logits(inputs)
        logits = self._compute(inputs)
        self._notice(inputs, torch.arange(len(inputs), device=inputs.device), logits)
        return logits

    @torch.no_grad()
    def _withdraw(self, inputs: Tensor) -> None:
        """Stop watching when these inputs are no candidates."""
        if not self.candidates:
            return
        if inputs.shape != self.images.shape:
            self.withdrawn = f"a forward of {len(inputs)} images in a batch of {len(self.labels)}"
        elif not bool(self.ball(inputs, self.images).all()):
            self.withdrawn = "a forward of images outside of the ball"
        self.candidates = not self.withdrawn

    def _active_logits(self, inputs: Tensor) -> Tensor:
        """Return the logits of all rows: computed for those still open, remembered for the others."""
        kept = self._open.nonzero().squeeze(1)
        whole = len(kept) == len(inputs)
        part = inputs if whole else inputs[kept]
        logits = self._compute(part, self.row_floor)
        fooled = self._notice(part, kept, logits)
        logits = torch.where(fooled.unsqueeze(1), logits.detach(), logits)
        if self._last_logits is None:  # a row that is never computed gets its label's, else attacks drop it
            self._last_logits = nn.functional.one_hot(self.labels, logits.shape[1]).to(logits.dtype)
        self._last_logits[kept] = logits.detach()
        return logits if whole else self._last_logits.index_copy(0, kept, logits)

    def _compute(self, inputs: Tensor, row_floor: int = 0) -> Tensor:
        rows = max(len(inputs), row_floor)
        self.rows += rows
        logits = padded(self.classifier, inputs, row_floor)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: self._count(rows))
        return logits

    def _notice(self, inputs: Tensor, rows: Tensor, logits: Tensor) -> Tensor:
        """Record first successes and return (n,) bool, which inputs are one."""
        with torch.no_grad():
            first = (logits.argmax(1) != self.labels[rows]) & self._open[rows]
            index = first.nonzero().squeeze(1)
            if len(index):
                check_logits(logits[index])
                own = rows[index]
                self.effort[own] = self.gradients
                self.adversarial[own] = inputs[index].to(self.adversarial)
                self._open[own] = False
        return first

    def _count(self, rows: int) -> None:
        self.gradients += 1
        self.gradient_rows += rows

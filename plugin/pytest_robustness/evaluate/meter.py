"""Between attack and classifier: counts, notices the first success, and leaves out rows whose outcome is known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.ball import check_logits
from pytest_robustness.evaluate.models.classifier import Frozen, padded

#: Effort of an image not fooled so far.
UNFOOLED = -1

Ball = Callable[[Tensor, Tensor], Tensor]


class Exhausted(Exception):
    """Every row of the batch is fooled: the attack has nothing left to do."""


class Meter(Frozen):
    """The model an attack sees for one batch.

    A forward whose rows are *candidates*, that is perturbed images of their rows, is watched: a row that is
    classified wrongly for the first time, and is inside the ball, is a success after as many gradient evaluations as
    were made until then. With ``freeze`` such a row also leaves the batch, in the very forward that reveals it: its
    logits are cut from the graph, so its gradient is zero and a gradient attack leaves it where it is. Later forwards
    compute the other rows only, and give the frozen ones their last logits.

    Small batches are not bit-equal to large ones, so no forward of a compacted batch has fewer than ``row_floor``
    rows: rows are repeated to fill it.

    Args:
        classifier: the classifier under attack.
        images: (N, C, H, W), clean.
        labels: (N,).
        attempts: (N,) bool, the rows that count; the others are never successes and, with ``freeze``, never computed.
        candidates: whether the attack's forwards are perturbed images of their rows; if not, the meter only counts.
        freeze: whether fooled rows leave the batch.
        ball: of (candidates, clean), which rows an attack may answer with, (n,) bool.
        row_floor: rows of the smallest batch that is bit-equal to larger ones.

    Attributes:
        forwards, gradients: calls and gradient evaluations of the batch so far.
        rows: images computed in these calls, repeated ones included.
        effort: (N,) gradients before each row's first success, ``UNFOOLED`` before.
        adversarial: (N, C, H, W) each row as it was at its first success, clean before.
    """

    #: An attack that keeps its own active set tells the rows of its inputs: ``attacks.base.logits_of``.
    accepts_rows = True

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
        self.effort = torch.full_like(labels, UNFOOLED)
        self.adversarial = images.clone()
        self._open = attempts.clone()  # rows whose first success is still awaited
        self._all_rows = torch.arange(len(labels), device=labels.device)
        self._last_logits: Tensor | None = None

    @property
    def fooled(self) -> Tensor:
        """(N,) bool: rows with a noticed success."""
        return self.effort != UNFOOLED

    def forward(self, inputs: Tensor, rows: Tensor | None = None) -> Tensor:
        """Logits of ``inputs``, (n, K).

        Args:
            inputs: (n, C, H, W).
            rows: (n,) the row of the batch each input is a candidate of, for attacks that keep their own active set.
                Default: input i belongs to row i. Inputs that do not pair with rows are not watched.
        """
        self.forwards += 1
        own_rows = rows is not None
        if rows is None and len(inputs) == len(self.labels):
            rows = self._all_rows
        if not self.candidates or rows is None:
            return self._counted(self._compute(inputs))
        if self.freeze:
            return self._counted(self._active_logits(inputs, rows))
        logits = self._compute(inputs, self.row_floor if own_rows else 0)
        self._notice(inputs, rows, logits)
        return self._counted(logits)

    def _active_logits(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Logits of the rows still open, computed; of the others, remembered."""
        kept = self._open[rows].nonzero().squeeze(1)
        if not len(kept):
            raise Exhausted
        whole = len(kept) == len(rows)
        part = inputs if whole else inputs[kept]
        logits = self._compute(part, self.row_floor)
        fooled = self._notice(part, rows[kept], logits)
        logits = torch.where(fooled.unsqueeze(1), logits.detach(), logits)
        if self._last_logits is None:
            self._last_logits = logits.new_zeros(len(self.labels), logits.shape[1])
        self._last_logits[rows[kept]] = logits.detach()
        return logits if whole else self._last_logits[rows].index_copy(0, kept, logits)

    def _compute(self, inputs: Tensor, row_floor: int = 0) -> Tensor:
        self.rows += max(len(inputs), row_floor)
        return padded(self.classifier, inputs, row_floor)

    @torch.no_grad()
    def _notice(self, inputs: Tensor, rows: Tensor, logits: Tensor) -> Tensor:
        """Record first successes; (n,) bool, which inputs are one."""
        first = (logits.argmax(1) != self.labels[rows]) & self._open[rows]
        index = first.nonzero().squeeze(1)
        if len(index):
            found, own = inputs[index], rows[index]
            inside = self.ball(found, self.images[own])
            first[index] = inside
            check_logits(logits[first])
            own = own[inside]
            self.effort[own] = self.gradients
            self.adversarial[own] = found[inside]
            self._open[own] = False
        return first

    def _counted(self, logits: Tensor) -> Tensor:
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.gradients += 1

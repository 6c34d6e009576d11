"""The fast gradient sign method."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.losses import loss_named
from pytest_robustness.evaluate.attacks.rows import Rows


class FGSM:
    """Takes one step of size ``eps`` along the sign of the loss's gradient.

    Source: Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, section 4.

    Args:
        eps: radius of the L-infinity ball, in units of [0, 1].
        loss: "scale-free" (cross-entropy whose gradient does not vanish where the model is sure), "cross-entropy" or
            "margin".
    """

    norm = "inf"

    def __init__(self, eps: float, loss: str = "scale-free") -> None:
        self.eps, self._loss = eps, loss_named(loss)

    def start(self, rows: Rows) -> None:
        rows["candidate"] = rows.clean

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def loss(self, logits: Tensor, rows: Rows) -> Tensor:
        return self._loss(logits, rows.label)

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor, fooled: Tensor) -> Tensor:
        rows["candidate"] = (rows.clean + self.eps * gradient.sign()).clamp_(0, 1)
        return torch.ones_like(fooled)

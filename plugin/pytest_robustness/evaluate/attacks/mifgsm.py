"""The momentum iterative fast gradient sign method."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import norm_of, over
from pytest_robustness.evaluate.attacks.pgd import PGD
from pytest_robustness.evaluate.attacks.rows import Rows


class MIFGSM(PGD):
    """Takes steps like BIM along the sign of a decaying sum of gradients, each divided by its L1 norm.

    Source: Dong, Liao, Pang, Su, Zhu, Hu and Li, "Boosting Adversarial Attacks with Momentum", CVPR 2018, algorithm 1.

    Args:
        eps, alpha, steps, loss: as for PGD.
        decay: the factor by which the sum is multiplied in each step.
    """

    def __init__(self, eps: float, alpha: float, steps: int = 10, decay: float = 1.0, loss: str = "scale-free") -> None:
        super().__init__(eps, alpha, steps, random_start=False, loss=loss)
        self.decay = decay

    def start(self, rows: Rows) -> None:
        super().start(rows)
        rows["momentum"] = torch.zeros_like(rows.clean)

    def direction(self, rows: Rows, gradient: Tensor) -> Tensor:
        unit = gradient / over(norm_of(gradient, "1").clamp_min(1e-12), gradient)
        rows["momentum"] = self.decay * rows["momentum"] + unit
        return self.alpha * rows["momentum"].sign()

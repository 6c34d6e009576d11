"""Projected gradient descent, in L-infinity or L2."""

from __future__ import annotations

from torch import Tensor

from pytest_robustness.evaluate.attacks.losses import loss_named
from pytest_robustness.evaluate.attacks.norms import norm_of, over, project, random_point
from pytest_robustness.evaluate.attacks.rows import Rows, after_steps


class PGD:
    """Takes steps along the gradient of the loss, each followed by a projection onto the ball, from a random start.

    In L-infinity a step is ``alpha`` times the gradient's sign, in L2 ``alpha`` times the normalised gradient.

    Source: Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep Learning Models Resistant to Adversarial
    Attacks", ICLR 2018, section 2.1.

    Args:
        eps: radius of the ball, in units of [0, 1].
        alpha: size of a step, in the same norm.
        steps: gradient evaluations of a restart; the last iterate is looked at as well.
        norm: "inf" or "2".
        random_start: whether it begins at a random point of the ball; else it begins at the image.
        restarts: how often an image is attacked in all, as long as it is not fooled.
        loss: "scale-free" (cross-entropy whose gradient does not vanish where the model is sure), "cross-entropy" or
            "margin".
    """

    def __init__(
        self,
        eps: float,
        alpha: float,
        steps: int = 10,
        norm: str = "inf",
        random_start: bool = True,
        restarts: int = 1,
        loss: str = "scale-free",
    ) -> None:
        self.eps, self.alpha, self.steps, self.norm = eps, alpha, steps, norm
        self.random_start, self.restarts, self._loss = random_start, restarts, loss_named(loss)

    def start(self, rows: Rows) -> None:
        rows["candidate"] = random_point(rows, self.eps, self.norm) if self.random_start else rows.clean

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def loss(self, logits: Tensor, rows: Rows) -> Tensor:
        return self._loss(logits, rows.label)

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor, fooled: Tensor) -> Tensor:
        rows["candidate"] = project(rows["candidate"] + self.direction(rows, gradient), rows.clean, self.eps, self.norm)
        return after_steps(rows, self.steps)

    def direction(self, rows: Rows, gradient: Tensor) -> Tensor:
        """Return the step of each image, of size ``alpha``."""
        if self.norm == "inf":
            return self.alpha * gradient.sign()
        return gradient * over(self.alpha / norm_of(gradient, "2").clamp_min(1e-12), gradient)

"""Carlini and Wagner's L2 attack, image by image."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import margin, over
from pytest_robustness.evaluate.attacks.rows import Rows, after_steps

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults
BOUND = 0.999999  # the largest value of tanh(w), as in the authors' own code
ODDS = (1e-30, 1e30)  # beyond these odds a pixel is 0 or 1 anyway


class CW:
    """Minimise ``||x' - x||^2 + c f(x')`` over w, with ``x' = (tanh(w) + 1) / 2``, by Adam.

    - The margin ``f = max(Z_label - max of the others, -kappa)`` takes its maximum over the other logits only.
    - An image leaves when its own best distance has not improved for ``patience`` steps after its first success; one
      that was never fooled uses all its steps.
    - No pixel depends on where in the batch it lies. A vectorised tanh rounds the last elements of a tensor differently
      from the others, so it is not called: with the odds ``u = exp(2 w)``, ``x' = u / (1 + u)``, and a step of w
      multiplies u. Only operations are used that IEEE 754 rounds in one way only.
    - The distance is to the image as w gives it back, as in the authors' own code. If it were measured to the image
      itself, its first gradient would be nothing but rounding, and Adam would make steps of full size of it.

    Source: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", section VI; Kingma and Ba,
    "Adam", algorithm 1.

    Args:
        c: weight of the margin against the squared distance.
        kappa: the margin by which an image should fool the model, in logits.
        steps: gradient evaluations an image may cost.
        lr: learning rate of Adam.
        patience: number of steps without improvement after which an image leaves; 0 means that none leaves early.
        eps: an image counts as fooled only at an L2 distance of at most this; None means at any distance.
    """

    norm, minimises = "2", True

    def __init__(
        self,
        c: float = 1,
        kappa: float = 0,
        steps: int = 50,
        lr: float = 0.01,
        patience: int = 3,
        eps: float | None = None,
    ) -> None:
        self.c, self.kappa, self.steps, self.lr, self.patience, self.eps = c, kappa, steps, lr, patience, eps
        exponents = range(1, steps + 2)
        self._rate = [lr / (1 - BETA_1**t) for t in exponents]
        self._square_bias = [1 - BETA_2**t for t in exponents]

    def start(self, rows: Rows) -> None:
        rows["odds"] = initial_odds(rows.clean)
        rows["origin"] = rows["odds"] / (rows["odds"] + 1)  # equals the image except for rounding
        rows["candidate"] = rows["origin"]
        rows["mean"], rows["square"] = torch.zeros_like(rows.clean), torch.zeros_like(rows.clean)  # Adam's m and v

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def loss(self, logits: Tensor, rows: Rows) -> Tensor:
        """Return the margin of the label over the best other logit, (n,), at least ``-kappa``."""
        return margin(logits, rows.label).clamp_min(-self.kappa)

    def size(self, rows: Rows, candidates: Tensor) -> Tensor:
        """Return the squared distance to the image as w gives it back, (n,)."""
        return (candidates - rows["origin"]).square().sum((1, 2, 3), dtype=torch.float64)

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor, fooled: Tensor) -> Tensor:
        candidates, mean, square = rows["candidate"], rows["mean"], rows["square"]
        # by the chain rule, dx'/dw = 2 x' (1 - x')
        slope = (1 - candidates).mul_(candidates).mul_(2)
        gradient = (gradient * self.c).add_((candidates - rows["origin"]).mul_(2)).mul_(slope)
        square.mul_(BETA_2).add_(gradient.square().mul_(1 - BETA_2))
        mean.mul_(BETA_1).add_(gradient.mul_(1 - BETA_1))
        rate, bias = (self._of(table, rows, gradient) for table in (self._rate, self._square_bias))
        change = (mean / (square / bias).sqrt_().add_(EPSILON)).mul_(-rate)
        rows["odds"] = rows["odds"].mul(exponential(change.mul_(2))).clamp_(*ODDS)
        rows["candidate"] = rows["odds"] / (rows["odds"] + 1)
        last = after_steps(rows, self.steps)
        if not self.patience:
            return last
        return last | (rows["best"].isfinite() & (rows.step + 1 - rows["improved"] >= self.patience))

    def _of(self, table: list[float], rows: Rows, images: Tensor) -> Tensor:
        """Return each row's entry of a table, by its step, in a shape that broadcasts over images."""
        values = torch.tensor(table, dtype=torch.float64, device=images.device).to(images.dtype)
        return over(values[rows.step], images)


def initial_odds(x: Tensor) -> Tensor:
    """Return ``exp(2 w)`` of pixels in [0, 1], kept finite for pixels of exactly 0 and 1.

    This changes w there, but the pixel hardly at all.
    """
    inside = ((x * 2 - 1) * BOUND + 1) / 2
    return inside / (1 - inside)


def exponential(z: Tensor) -> Tensor:
    """Return ``exp(z)`` to single precision for the small steps of an optimiser, by its series and three squarings.

    Larger steps, at which the series fails, are cut to the largest at which it holds.
    """
    z = z.clamp(-8, 8).div_(8)
    power = z / 120
    for term in (1 / 24, 1 / 6, 1 / 2, 1):
        power.add_(term).mul_(z)
    power.add_(1)
    for _ in range(3):
        power.mul_(power)
    return power

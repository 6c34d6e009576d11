"""Carlini and Wagner's L2 attack, image by image."""

from __future__ import annotations

from typing import Any

import torch
import torchattacks
from torch import Tensor

from pytest_robustness.evaluate.attacks.base import logits_of
from pytest_robustness.evaluate.attacks.norms import margin

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults
BOUND = 0.999999  # of the tanh space, as in the authors' own code
ODDS = (1e-30, 1e30)  # beyond these a pixel is 0 or 1 anyway


class CW(torchattacks.CW):  # type: ignore[misc]
    """torchattacks' C&W, minimising ``||x' - x||^2 + c f(x')`` over w with ``x' = (tanh(w) + 1) / 2``, mended.

    - The margin ``f = max(Z_label - max of the others, -kappa)`` takes its maximum over the other logits only;
      torchattacks' also has a zero among them, so it is wrong where all logits are negative.
    - No image looks at another: torchattacks' stops a whole batch when the batch's summed cost rises. Here an image
      leaves when its own best distance has not improved for ``patience`` steps after its first success; one that was
      never fooled uses all its steps.
    - No pixel depends on where in the batch it lies. A vectorised tanh rounds the last elements of a tensor otherwise
      than the others, so it is not called: with the odds ``u = exp(2 w)``, ``x' = u / (1 + u)``, and a step of w
      multiplies u. Every operation is one that IEEE 754 rounds in one way only.
    - The distance is to the image as w gives it back, as in the authors' own code. Measured to the image itself it
      starts with a gradient of nothing but rounding, of which Adam makes steps of full size.
    - Only the input's gradient is computed.

    Source: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", section VI; Kingma and Ba,
    "Adam", algorithm 1.

    Args:
        model: logits of images in [0, 1]; a Meter is told which rows the images belong to.
        c, kappa, steps, lr: as in torchattacks.
        patience: steps; 0 means that no image leaves early.

    Shape:
        images (N, C, H, W) in [0, 1], labels (N,); returns (N, C, H, W), images that were not fooled unchanged.
    """

    def __init__(
        self, model: Any, c: float = 1, kappa: float = 0, steps: int = 50, lr: float = 0.01, patience: int = 3
    ) -> None:
        super().__init__(model, c=c, kappa=kappa, steps=steps, lr=lr)
        self.supported_mode = ["default"]
        self.patience = patience

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        images, labels = images.detach().to(self.device), labels.detach().to(self.device)
        adversarial = images.clone()
        best = torch.full_like(images[:, 0, 0, 0], torch.inf, dtype=torch.float64)  # squared distance
        improved = torch.zeros_like(labels)  # step of the last improvement

        rows = torch.arange(len(labels), device=labels.device)
        odds = initial_odds(images)
        start = odds / (odds + 1)  # the image but for rounding
        mean, square = torch.zeros_like(odds), torch.zeros_like(odds)  # of the gradients, Adam's m and v
        for step in range(1, self.steps + 1):
            candidates = (odds / (odds + 1)).requires_grad_()
            logits = logits_of(self.model, candidates, rows)
            (gradient,) = torch.autograd.grad(self.f(logits, labels[rows]).sum(), candidates)

            with torch.no_grad():
                candidates = candidates.detach()
                difference = candidates - start
                distance = difference.square().sum((1, 2, 3), dtype=torch.float64)
                better = (logits.argmax(1) != labels[rows]) & (distance < best[rows])
                which = rows[better]
                best[which], improved[which] = distance[better], step
                adversarial[which] = candidates[better]

                # by the chain rule, dx'/dw = 2 x' (1 - x')
                slope = (1 - candidates).mul_(candidates).mul_(2)
                gradient = (gradient * self.c).add_(difference.mul_(2)).mul_(slope)
                square.mul_(BETA_2).add_(gradient.square().mul_(1 - BETA_2))
                mean.mul_(BETA_1).add_(gradient.mul_(1 - BETA_1))
                rate = self.lr / (1 - BETA_1**step)
                change = (mean / (square / (1 - BETA_2**step)).sqrt_().add_(EPSILON)).mul_(-rate)
                odds.mul_(exponential(change.mul_(2))).clamp_(*ODDS)

                done = best[rows].isfinite() & (step - improved[rows] >= self.patience)
                if self.patience and bool(done.any()):
                    rows, start, odds, mean, square = (kept[~done] for kept in (rows, start, odds, mean, square))
                    if not len(rows):
                        break
        return adversarial

    def f(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The margin of the label over the best other logit, at least ``-kappa``; (n,)."""
        return margin(outputs, labels).clamp_min(-self.kappa)


def initial_odds(x: Tensor) -> Tensor:
    """``exp(2 w)`` of pixels in [0, 1], kept finite at exactly 0 and 1, where w moves, but hardly the pixel."""
    inside = ((x * 2 - 1) * BOUND + 1) / 2
    return inside / (1 - inside)


def exponential(z: Tensor) -> Tensor:
    """``exp(z)`` to single precision for the small steps of an optimiser, by its series and three squarings.

    Steps of a size at which the series fails are cut to the largest at which it does not.
    """
    z = z.clamp(-8, 8).div_(8)
    power = z / 120
    for term in (1 / 24, 1 / 6, 1 / 2, 1):
        power.add_(term).mul_(z)
    power.add_(1)
    for _ in range(3):
        power.mul_(power)
    return power

"""Carlini and Wagner's L2 attack, image by image."""

from __future__ import annotations

from typing import Any

import torch
import torchattacks
from torch import Tensor

from pytest_robustness.evaluate.meter import Meter

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults
BOUND = 0.999999  # of the tanh space, as in the authors' own code


class CW(torchattacks.CW):  # type: ignore[misc]
    """torchattacks' C&W, minimising ``||x' - x||^2 + c f(x')`` over w with ``x' = (tanh(w) + 1) / 2``, mended.

    - The margin ``f = max(Z_label - max of the others, -kappa)`` takes its maximum over the other logits only;
      torchattacks' also has a zero among them, so it is wrong where all logits are negative.
    - No image looks at another: torchattacks' stops a whole batch when the batch's summed cost rises. Here an image
      leaves when its own best distance has not improved for ``patience`` steps after its first success; one that was
      never fooled uses all its steps.
    - Only the input's gradient is computed.

    Source: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", section VI.

    Args:
        model: logits of images in [0, 1]; a Meter is told which rows the images belong to.
        c, kappa, steps, lr: as in torchattacks.
        patience: steps; 0 means that no image leaves early.

    Shape:
        images (N, C, H, W) in [0, 1], labels (N,); returns (N, C, H, W), images that were not fooled unchanged.
    """

    def __init__(
        self, model: Any, c: float = 1, kappa: float = 0, steps: int = 50, lr: float = 0.01, patience: int = 5
    ) -> None:
        super().__init__(model, c=c, kappa=kappa, steps=steps, lr=lr)
        self.supported_mode = ["default"]
        self.patience = patience

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        images, labels = images.detach().to(self.device), labels.detach().to(self.device)
        adversarial = images.clone()
        best = torch.full_like(images[:, 0, 0, 0], torch.inf)  # squared distance
        improved = torch.zeros_like(labels)  # step of the last improvement

        rows = torch.arange(len(labels), device=labels.device)
        x = images
        w = self.inverse_tanh_space(images)
        m, v = torch.zeros_like(w), torch.zeros_like(w)
        for step in range(1, self.steps + 1):
            candidates = self.tanh_space(w).requires_grad_()
            logits = self._logits(candidates, rows)
            margin = self.f(logits, labels[rows])
            (gradient,) = torch.autograd.grad(margin.sum(), candidates)

            with torch.no_grad():
                candidates = candidates.detach()
                difference = candidates - x
                distance = difference.square().sum((1, 2, 3))
                better = (logits.argmax(1) != labels[rows]) & (distance < best[rows])
                which = rows[better]
                best[which], improved[which] = distance[better], step
                adversarial[which] = candidates[better]

                # by the chain rule, dx'/dw = 2 x' (1 - x'); then one step of Adam
                gradient = gradient.mul_(self.c).add_(difference, alpha=2).mul_(candidates * (1 - candidates)).mul_(2)
                m.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
                v.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
                scale = v.sqrt().div_((1 - BETA_2**step) ** 0.5).add_(EPSILON)
                w.addcdiv_(m, scale, value=-self.lr / (1 - BETA_1**step))

                done = best[rows].isfinite() & (step - improved[rows] >= self.patience)
                if self.patience and bool(done.any()):
                    rows, x, w, m, v = (tensor[~done] for tensor in (rows, x, w, m, v))
                    if not len(rows):
                        break
        return adversarial

    def _logits(self, candidates: Tensor, rows: Tensor) -> Tensor:
        logits: Tensor = self.model(candidates, rows) if isinstance(self.model, Meter) else self.model(candidates)
        return logits

    def f(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The margin of the label over the best other logit, at least ``-kappa``; (n,)."""
        label = labels.unsqueeze(1)
        others = outputs.scatter(1, label, -torch.inf).amax(1)
        return (outputs.gather(1, label).squeeze(1) - others).clamp_min(-self.kappa)

    def inverse_tanh_space(self, x: Tensor) -> Tensor:
        """w of pixels in [0, 1]; at exactly 0 and 1 it would be infinite and never move, so it stops just short."""
        return torch.atanh((x * 2 - 1) * BOUND)

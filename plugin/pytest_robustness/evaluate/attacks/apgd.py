"""Auto-PGD: projected gradient descent with momentum, which chooses its step sizes itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.dlr import (
    difference_of_logits_ratio,
    log_odds,
    targeted_difference_of_logits_ratio,
)
from pytest_robustness.evaluate.attacks.losses import cross_entropy, negative_margin
from pytest_robustness.evaluate.attacks.norms import DUAL, norm_of, over, project
from pytest_robustness.evaluate.attacks.rows import Rows

TARGETED = "targeted"
#: The losses that an image without a target maximises.
LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "scale-free": log_odds,
    "cross-entropy": cross_entropy,
    "dlr": difference_of_logits_ratio,
    "margin": negative_margin,
}
#: The weight of the new step; the last movement has the rest.
MOMENTUM = 0.75
#: Intervals between checkpoints in hundredths of the steps: the first, how much shorter each next is, the shortest.
FIRST, SHORTER, SHORTEST = 22, 3, 6
#: The entry of a step that is no checkpoint, in the table of checkpoints.
NO_CHECKPOINT = -1
#: Each target's random start is the one before times this, pixel by pixel, modulo 1. This is a congruential generator
#: on whole numbers below 2**24, the grid of a draw.
MULTIPLIER, GRID = 16598013, 2**24


class APGD:
    """Maximise a loss in a ball by steps with momentum, which are halved, image by image, when they no longer help.

    The first step is as long as the ball is wide. At a checkpoint an image's step is halved, and the image goes back to
    the best point it has seen, if its loss rose in less than ``rho`` of the steps since the last checkpoint, or if
    neither its step nor its best loss have changed since then.

    With ``loss = "targeted"`` (APGD-T) an image is driven to other classes in turn, each in a run of ``steps`` from a
    random start of its own. They are the likeliest wrong ones on the clean image. To rank them, the clean image is the
    first candidate, which costs one forward and one gradient.

    An image is done with its first success, even when a suite wants every step taken.

    Source: Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
    attacks", ICML 2020, algorithm 1, sections 3 and 4.

    Args:
        eps: radius of the ball, in units of [0, 1].
        norm: "inf" or "2".
        steps: gradient evaluations of a run; its last iterate is looked at as well.
        restarts: how often an image is attacked in all, as long as it is not fooled.
        loss: "scale-free" (the log odds against the label: like cross-entropy, but it does not vanish where the model
            is sure), "cross-entropy", "margin", "dlr" (difference of logits ratio; with two classes the margin) or
            "targeted" (targeted difference of logits ratio; with fewer than four classes the margin to the target).
        rho: the share of steps in which a loss has to rise.
        targets: how many classes "targeted" tries; all wrong ones when the model does not have so many.

    Raises:
        ValueError: for an unknown norm or loss; the message names the parameter.
    """

    def __init__(
        self,
        eps: float,
        norm: str = "inf",
        steps: int = 100,
        restarts: int = 1,
        loss: str = "scale-free",
        rho: float = 0.75,
        targets: int = 9,
    ) -> None:
        if norm not in DUAL:
            raise ValueError(f"norm: {norm!r} is not one of {', '.join(DUAL)}")
        if loss not in (*LOSSES, TARGETED):
            raise ValueError(f"loss: {loss!r} is not one of {', '.join((*LOSSES, TARGETED))}")
        self.eps, self.norm, self.steps, self.restarts, self.rho = eps, norm, steps, restarts, rho
        self.targets = targets if loss == TARGETED else 0
        self._loss = LOSSES.get(loss)
        points = checkpoints(steps)
        self._interval = torch.full((steps + 1,), NO_CHECKPOINT)
        self._interval[points] = torch.tensor([0, *(b - a for a, b in pairwise(points))])
        factors = [pow(MULTIPLIER, run, GRID) for run in range(self.targets)]
        self._factor = torch.tensor(factors, dtype=torch.float64)
        #: The numbers that are remembered of an image, with their values when a run begins.
        self._begin = {
            "rises": 0.0,
            "length": 2 * eps,
            "value": -torch.inf,
            "top_value": -torch.inf,
            "checked_length": torch.nan,
            "checked_value": -torch.inf,
        }

    def start(self, rows: Rows) -> None:
        """Begin at a random point of the ball, or with targets at the image, whose logits rank the targets."""
        device = rows.clean.device
        self._interval, self._factor = self._interval.to(device), self._factor.to(device)  # copied there once
        drawn = rows.draw_image(0)
        if self.targets:
            rows["drawn"] = drawn
            rows["target"] = rows.label.unsqueeze(1).repeat(1, self.targets)
        rows["candidate"] = rows.clean if self.targets else self._point(rows, drawn)
        rows["before"] = rows["top"] = rows["candidate"]
        rows["top_gradient"] = torch.zeros_like(rows.clean)
        for name, value in self._begin.items():
            rows[name] = torch.full_like(rows.clean[:, 0, 0, 0], value)

    def candidates(self, rows: Rows) -> Tensor:
        return rows["candidate"]

    def loss(self, logits: Tensor, rows: Rows) -> Tensor:
        """Return the losses that are maximised, (n,)."""
        if self._loss is not None:
            return self._loss(logits, rows.label)
        run = self._run(rows)[0].clamp_min(0)  # before the first run the target is the label; that gradient is unused
        target = rows["target"].gather(1, run.unsqueeze(1)).squeeze(1)
        return targeted_difference_of_logits_ratio(logits, rows.label, target)

    def update(self, rows: Rows, logits: Tensor, gradient: Tensor, fooled: Tensor) -> Tensor:
        run, step = self._run(rows)
        last = step + 1 == self.steps
        if self.targets:
            others = logits.shape[1] - 1
            last = last & (run + 1 == min(self.targets, others))
            ranked = logits.scatter(1, rows.label.unsqueeze(1), -torch.inf).argsort(dim=1, descending=True, stable=True)
            ranked = ranked[:, torch.arange(self.targets, device=ranked.device) % others]
            rows["target"] = torch.where(over(run < 0, ranked), ranked, rows["target"])
        seen = rows["candidate"]
        self._move(rows, step, gradient, self.loss(logits, rows))
        if self.targets:
            self._begin_next(rows, run, ends=step == self.steps)
        rows["candidate"] = torch.where(over(fooled, seen), seen, rows["candidate"])
        return last | fooled

    def _run(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the number of each image's run and its step in that run, (n,) each.

        The look at a run's last iterate is step ``steps``. With targets, the clean image is looked at as if it were the
        last iterate of run -1.
        """
        if not self.targets:
            return torch.zeros_like(rows.step), rows.step
        run = (rows.step - 1).div(self.steps + 1, rounding_mode="floor")
        return run, rows.step - 1 - run * (self.steps + 1)

    def _move(self, rows: Rows, step: Tensor, gradient: Tensor, value: Tensor) -> None:
        """Take one step of the algorithm: record the loss, halve the step size where it is due, and move."""
        here, clean = rows["candidate"], rows.clean
        rows["rises"] = rows["rises"] + (value > rows["value"])
        rows["value"] = value
        better = value > rows["top_value"]
        rows["top_value"] = torch.where(better, value, rows["top_value"])
        rows["top"] = torch.where(over(better, here), here, rows["top"])
        rows["top_gradient"] = torch.where(over(better, here), gradient, rows["top_gradient"])
        halve = over(self._halve(rows, step), here)
        here = torch.where(halve, rows["top"], here)
        gradient = torch.where(halve, rows["top_gradient"], gradient)
        ahead = project(here + self._direction(rows, gradient), clean, self.eps, self.norm)
        weight = over(torch.where(step > 0, MOMENTUM, 1.0), here).to(here.dtype)
        moved = here + (ahead - here) * weight + (here - rows["before"]) * (1 - weight)
        rows["before"], rows["candidate"] = here, project(moved, clean, self.eps, self.norm)

    def _halve(self, rows: Rows, step: Tensor) -> Tensor:
        """Halve the steps of images at a checkpoint at which they no longer help, and return which, (n,) bool."""
        interval = self._interval[step]
        due = interval != NO_CHECKPOINT
        few = rows["rises"] < self.rho * interval
        same = (rows["length"] == rows["checked_length"]) & (rows["top_value"] == rows["checked_value"])
        halve = due & (few | same)
        rows["rises"] = torch.where(due, 0, rows["rises"])
        rows["checked_value"] = torch.where(due, rows["top_value"], rows["checked_value"])
        rows["checked_length"] = torch.where(due, rows["length"], rows["checked_length"])
        rows["length"] = torch.where(halve, rows["length"] / 2, rows["length"])
        return halve

    def _direction(self, rows: Rows, gradient: Tensor) -> Tensor:
        length = over(rows["length"], gradient)
        if self.norm == "inf":
            return length * gradient.sign()
        return gradient * (length / over(norm_of(gradient, "2").clamp_min(1e-12), gradient))

    def _begin_next(self, rows: Rows, run: Tensor, ends: Tensor) -> None:
        """Begin the next run of images whose run has ended."""
        factor = over(self._factor[(run + 1).clamp_max(self.targets - 1)], rows.clean)
        point = self._point(rows, (rows["drawn"] * factor).frac().to(rows.clean.dtype))  # exact in float64
        for name, value in self._begin.items():
            rows[name] = torch.where(ends, value, rows[name])
        rows["candidate"] = torch.where(over(ends, point), point, rows["candidate"])

    def _point(self, rows: Rows, drawn: Tensor) -> Tensor:
        """Return the point of the ball that numbers in [0, 1) stand for, cut to [0, 1]. In L2 it is on the surface."""
        delta = drawn * 2 - 1
        if self.norm != "inf":
            delta = delta / over(norm_of(delta, self.norm).clamp_min(1e-12), delta)
        return (rows.clean + delta * self.eps).clamp_(0, 1)


def checkpoints(steps: int) -> list[int]:
    """Return the steps at which step sizes are checked, in rising order from 0: section 3.1 of the paper."""
    hundredths, interval = [0], FIRST
    while hundredths[-1] + interval <= 100:
        hundredths.append(hundredths[-1] + interval)
        interval = max(interval - SHORTER, SHORTEST)
    return sorted({-(-share * steps // 100) for share in hundredths} - {steps} | {0})

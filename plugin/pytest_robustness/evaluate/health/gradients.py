"""Checks that a gradient is the model's own: that it predicts how the margin changes near the image.

After Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security".
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.health.finding import Subject
from pytest_robustness.evaluate.health.pgd import gradient, margin
from pytest_robustness.records.finding import Finding

#: Share of images whose gradient may be exactly zero or not finite.
ZERO_GRADIENTS = 0.05
#: Range of observed over predicted change for a gradient that describes its model, and the share of images that may be
#: outside of it.
AGREES, DISAGREE = (0.5, 2.0), 0.20
#: Number of random directions in which the margin's change is compared, and the share that may stay unexplained.
DIRECTIONS, UNEXPLAINED = 4, 0.10
#: The share of pixels, those with the least gradient, that is also checked alone, and the share of all change that they
#: must have for this.
WEAKEST, NEGLIGIBLE = 0.10, 0.003
#: Rounding of a margin, in steps of its logits' last digit, and how many times larger than rounding the squares of a
#: change have to be.
ROUNDED, CLEARLY = 4, 100


def gradients(subject: Subject) -> Finding:
    """Check that the loss has a gradient at the image that is finite and not zero."""
    losses = [gradient(subject.classifier, subject.images, subject.labels, loss) for loss in (subject.loss, margin)]
    lost, flat = (~(one.flatten(1).isfinite().all(1) & (one.flatten(1) != 0).any(1)) for one in losses)
    saturated = bool(lost.any()) and not bool((lost & flat).any())
    return Finding(
        check="gradients",
        passed=subject.fraction(lost) <= ZERO_GRADIENTS,
        numbers=f"{int(lost.sum())} of {len(subject)} images have a gradient of zero or not finite"
        + (", though that of the margin is not" if saturated else ""),
        meaning="a saturated loss: logits so large that the cross-entropy is exactly 0"
        if saturated
        else "gradient masking: something not differentiable (rounding, argmax, detach) between image and logits",
        advice="Scale the logits down, or attack the margin (C&W)"
        if saturated
        else "Attack through a differentiable stand-in (BPDA), or with Square, before believing any success rate",
    )


def gradient_agreement(subject: Subject) -> Finding:
    """Check that along its gradient the margin changes as the gradient predicts.

    It is checked over a secant of two thousandths of the range. When the input is rounded, a JPEG or a detector is
    inside the model, or the gradient is that of another function, the margin does not change at all or changes
    differently.
    """
    ratio = _agreement(subject)
    if subject.fraction(_disagrees(ratio)) > DISAGREE:
        blind = ratio > AGREES[1]  # a gradient that tells nothing of what is beside the image, as where logits saturate
        ratio = torch.where(blind, ratio, _agreement(subject, finely=True))
    outside = _disagrees(ratio)
    return Finding(
        check="gradient agreement",
        passed=subject.fraction(outside) <= DISAGREE,
        numbers=f"the margin of {int(outside.sum())} of {len(subject)} images does not change as its gradient says "
        f"(median {float(ratio.nan_to_num().median()):.2f} of it)",
        meaning="gradient masking: rounding, JPEG, a detector or another function's gradient between image and logits",
        advice="Attack through a differentiable stand-in (BPDA), or with Square, before believing any success rate",
    )


def _agreement(subject: Subject, *, finely: bool = False) -> Tensor:
    """Return the change of the margin along its gradient as a share of the predicted, (N,); 0 where none is."""
    observed, predicted = subject.secant(subject.margin_gradient.sign(), finely=finely)
    return torch.where(predicted > 0, observed / predicted.clamp_min(1e-12), 0.0)


def _disagrees(ratio: Tensor) -> Tensor:
    return ~((ratio >= AGREES[0]) & (ratio <= AGREES[1]))  # also of NaN


def random_directions(subject: Subject) -> Finding:
    """Check that the gradient also predicts changes in random directions, and of the pixels where it is smallest.

    When a part of a gradient is lost, by a ``detach`` on a branch, some channels or some of the image, it describes the
    model along itself and nowhere else. The measure is the residual of its predictions over a secant along random
    signs, as a share of what is observed. It is 0.01 to 0.04 on the zoo and 0.001 on an adversarially trained model. It
    is 0.6 when half of the first layer's channels, or two of three colours, are detached, and 0.9 and more when the
    gradient is blurred. Over the tenth of the pixels that have the least gradient it is at most 0.04, too, and 1 when
    an eighth of the image, or a border of one pixel, is detached.
    """
    size = subject.margin_gradient.abs().mean(0)
    weakest = torch.zeros_like(size).flatten()
    weakest[size.flatten().topk(max(1, int(WEAKEST * size.numel())), largest=False).indices] = 1
    everywhere, seen = _unexplained(subject, torch.ones_like(size))
    there = _where_it_is_least(subject, weakest.view_as(size), seen)
    share = min(1.0, max(everywhere, there))
    where = "in random directions" if everywhere >= there else f"in the {WEAKEST:.0%} of pixels where it is smallest"
    return Finding(
        check="random directions",
        passed=share <= UNEXPLAINED,
        numbers=f"the gradient leaves {share:.0%} of the margin's change {where} unexplained",
        meaning="a part of the gradient is lost: a detach on a branch, on some channels or on some of the image",
        advice="Look for detach, no_grad and data in the forward; attack with Square beside",
    )


def _where_it_is_least(subject: Subject, where: Tensor, seen: float) -> float:
    """Return the unexplained share in some pixels; 0 where the model hardly looks, and the change is rounding only."""
    rounding = ROUNDED * torch.finfo(subject.logits.dtype).eps * float(subject.logits.abs().max())
    least = max(NEGLIGIBLE * seen, CLEARLY * rounding**2 * DIRECTIONS * len(subject))
    return _unexplained(subject, where, least)[0]


def _unexplained(subject: Subject, where: Tensor, least: float = 0.0) -> tuple[float, float]:
    """Return the share of the margin's change that its gradient misses, and the sum of squares of that change.

    The change is along random signs, of the pixels where ``where`` is 1. The share is 0 where the change is less than
    ``least``. One that is too large is looked at finely.
    """
    share, seen = _missed(subject, where)
    if seen < least:
        return 0.0, seen
    return (_missed(subject, where, finely=True)[0] if share > UNEXPLAINED else share), seen


def _missed(subject: Subject, where: Tensor, *, finely: bool = False) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(subject.seed)
    wrong = seen = 0.0
    for _ in range(DIRECTIONS):
        drawn = torch.rand(subject.images.shape, generator=generator).to(subject.images)
        observed, predicted = subject.secant(((drawn < 0.5).to(drawn) * 2 - 1) * where, finely=finely)
        wrong += float((observed - predicted).square().sum())
        seen += float(observed.square().sum())
    return wrong / max(seen, 1e-30) if wrong or seen else 0.0, seen

"""Checks that tell robustness from masked gradients. They run inside the gate, for every changed model.

After Carlini et al., "On Evaluating Adversarial Robustness" (the checklist), Croce and Hein's AutoAttack (its flags),
and Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pytest_robustness.evaluate.health.finding import HALF_SECANT, Checks, Subject
from pytest_robustness.evaluate.health.pgd import even_gradient, gradient, margin, negative_margin, reference_pgd
from pytest_robustness.records.finding import Finding

#: Share of images whose gradient may be exactly zero or not finite.
ZERO_GRADIENTS = 0.05
#: Share of images that an attack may miss although a weaker one, or one in a smaller ball, fooled them.
MISSED = 0.10
#: The largest chance at which one attack's gain over another is said to be more than chance.
CHANCE = 0.05
#: The largest margin is scaled down to this one, at which cross-entropy does not saturate.
MARGIN = 5.0
#: Steps of the unbounded attack, each of an eighth of the range of a pixel.
UNBOUNDED_STEPS = 24
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
#: Share of images that may be fooled only by an attack for which the sizes of the logits make no difference.
ONLY_EVEN = 0.075
#: The least share that the nearest other class should have of the weight that cross-entropy gives to other classes, of
#: which there are nine.
NEAREST, NINE = 0.25, 9
#: Share of the fooled images that may get the very same logits although their clean images do not, and the fewest
#: fooled images for which this is checked.
SAME_ANSWERS, FEWEST_FOOLED = 0.5, 4


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
    share, little = _unexplained(subject, where, least)
    return share if little >= least else 0.0


def _unexplained(subject: Subject, where: Tensor, least: float = 0.0) -> tuple[float, float]:
    """Return the share of the margin's change that its gradient misses, and the sum of squares of that change.

    The change is along random signs, of the pixels where ``where`` is 1. A share that is too large is looked at finely,
    and what is then found counts unless the change over shorter secants is below ``least``, which is rounding.
    """
    share, seen = _missed(subject, where)
    if share > UNEXPLAINED and seen >= least:
        fine, change = _missed(subject, where, finely=True)
        length = subject.half_secant / HALF_SECANT
        if change >= least * length**2:
            share = fine
    return share, seen


def _missed(subject: Subject, where: Tensor, *, finely: bool = False) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(subject.seed)
    wrong = seen = 0.0
    for _ in range(DIRECTIONS):
        drawn = torch.rand(subject.images.shape, generator=generator).to(subject.images)
        observed, predicted = subject.secant(((drawn < 0.5).to(drawn) * 2 - 1) * where, finely=finely)
        wrong += float((observed - predicted).square().sum())
        seen += float(observed.square().sum())
    return wrong / max(seen, 1e-30) if wrong or seen else 0.0, seen


def fgsm_below_pgd(subject: Subject) -> Finding:
    """Check that PGD fools the images that FGSM fools."""
    missed = subject.fgsm & ~subject.pgd
    return Finding(
        check="FGSM below PGD",
        passed=subject.fraction(missed) <= MISSED,
        numbers=f"FGSM fools {int(subject.fgsm.sum())}, PGD {int(subject.pgd.sum())} of {len(subject)} images; "
        f"FGSM but not PGD {int(missed.sum())}",
        meaning="gradient masking: near the image the gradient points away from what one large step finds",
        advice="Look at the loss along the way; try more restarts, larger steps, Square",
    )


def larger_balls(subject: Subject) -> Finding:
    """Check that success does not fall as epsilon grows, because a larger ball contains the smaller one."""
    sizes = [subject.eps, 2 * subject.eps, 4 * subject.eps]
    found = [subject.pgd, *(subject.ascended(subject.classifier, eps) for eps in sizes[1:])]
    missed = [(found[0] & ~found[1]), (found[0] | found[1]) & ~found[2]]
    shown = ", ".join(f"{subject.fraction(one):.0%} at {eps:g}" for one, eps in zip(found, sizes, strict=True))
    return Finding(
        check="larger balls",
        passed=max(map(subject.fraction, missed)) <= MISSED,
        numbers=f"PGD fools {shown}; {max(int(one.sum()) for one in missed)} images only in the smaller ball",
        meaning="gradient masking: steps that suit the larger ball are too large for the surface",
        advice="Attack with smaller steps and more of them; take the best over several sizes",
    )


def unbounded(subject: Subject) -> Finding:
    """Check that no more images than by chance stay classified correctly when the attack may change anything."""
    found = reference_pgd(
        subject.classifier,
        subject.images,
        subject.labels,
        eps=1.0,
        steps=UNBOUNDED_STEPS,
        step=3 / UNBOUNDED_STEPS,
        loss=subject.loss,
    )
    chance = 1 / subject.logits.shape[1]
    return Finding(
        check="unbounded",
        passed=subject.fraction(~found) <= chance,
        numbers=f"{int((~found).sum())} of {len(subject)} images withstand an attack that may change "
        "anything; chance is "
        f"{chance:.0%}",
        meaning="gradient masking: no model can classify an image that is free to become another",
        advice="Do not believe success rates of gradient attacks on this model",
    )


def scaled(subject: Subject) -> Finding:
    """Check that success does not rise when logits are scaled down.

    They are never scaled up: with an adversarially trained model, whose margins are small, success would seem to rise.
    """
    factor = min(1.0, MARGIN / float(margin(subject.logits, subject.labels).max().clamp_min(1e-12)))
    found = subject.ascended(lambda images: subject.classifier(images) * factor, subject.eps)
    return Finding(
        check="scaled logits",
        passed=_gain(subject, found) <= MISSED,
        numbers=f"PGD fools {int(subject.pgd.sum())} of {len(subject)} images, "
        f"{int(found.sum())} with logits times {factor:.2g}",
        meaning="a saturated loss: logits so large that the cross-entropy has lost its digits",
        advice="Attack the margin (C&W), or scale the logits as here",
    )


def _gain(subject: Subject, found: Tensor) -> float:
    """Return how many more images another attack fools than PGD on the loss, as a share of all; 0 where that is chance.

    Each fools a few that the other does not. The test is the exact one-sided sign test of those (Dixon and Mood 1946).
    """
    more, fewer = int((found & ~subject.pgd).sum()), int((subject.pgd & ~found).sum())
    decided = more + fewer
    chance = sum(math.comb(decided, one) for one in range(more, decided + 1)) / 2**decided
    return (more - fewer) / len(subject) if chance <= CHANCE else 0.0


def margin_loss(subject: Subject) -> Finding:
    """Check that PGD on the loss fools about as many images as PGD on the margin. The margin is what decides.

    What counts is how many more the margin's are, and that they are more than chance.
    """
    found = subject.ascended(subject.classifier, subject.eps, negative_margin)
    missed = found & ~subject.pgd
    return Finding(
        check="margin loss",
        passed=_gain(subject, found) <= MISSED,
        numbers=f"PGD on the loss fools {int(subject.pgd.sum())} of {len(subject)} images, on the margin "
        f"{int(found.sum())}; only the margin's {int(missed.sum())}",
        meaning="a loss that has lost sight of the decision: logits so large that cross-entropy is 0, or so flat that "
        "it looks at all classes alike",
        advice='Attack the margin (loss = "margin", or C&W), or scale the logits to a usual range',
    )


def even_logits(subject: Subject) -> Finding:
    """Check that PGD on the loss fools the images that PGD along ``even_gradient`` fools.

    No stretching of single logits can turn that direction. On fourteen zoo models and an adversarially trained one at
    most 1 of 40 images is fooled by that direction only. Where both fool images that the other does not, as on
    EfficientNet-Lite0, only what is left of the difference counts.
    """
    found = subject.ascended(subject.classifier, subject.eps, direction=even_gradient)
    missed = found & ~subject.pgd
    return Finding(
        check="even logits",
        passed=_gain(subject, found) <= ONLY_EVEN,
        numbers=f"PGD on the loss fools {int(subject.pgd.sum())} of {len(subject)} images, along gradients of the "
        f"logits made equally long {int(found.sum())}; only these {int(missed.sum())}",
        meaning="logits behind a tanh, a sigmoid, a square or another function that flattens the largest",
        advice="Attack the logits before that function; it changes no decision",
    )


def flat_logits(subject: Subject) -> Finding:
    """Check that cross-entropy gives most weight to the nearest other class.

    Cross-entropy weighs the other classes by their shares of the softmax. When all shares are about equal, as with
    logits divided by ten, its gradient leads away from the label but not towards the nearest boundary. An attack then
    looks weaker than it is. The nearest class's measured share is 0.72 for a zoo model and 0.61 for an adversarially
    trained one. It is 0.35, 0.17 and 0.11 with logits divided by 3, 10 and 1,000.

    Among more classes less is expected. The share's logarithm is compared with that of equal shares: a quarter among
    nine is as much as 1.3 % among the 999 of ImageNet, of which EfficientNet-Lite0's nearest has 22 %.
    """
    others = subject.logits.scatter(1, subject.labels.unsqueeze(1), -torch.inf)
    share = float(others.softmax(1).amax(1).mean())
    count = max(NINE, subject.logits.shape[1] - 1)
    least = NEAREST ** (math.log(count) / math.log(NINE))
    return Finding(
        check="flat logits",
        passed=share >= least,
        numbers=f"the nearest other class has {share:.0%} of the others' weight in the cross-entropy, at least "
        f"{least:.0%} expected",
        meaning="logits so flat that cross-entropy looks at all classes alike: a temperature, label smoothing",
        advice='Attack the margin (loss = "margin", or C&W), or scale the logits to a usual range',
    )


def transfer(subject: Subject) -> Finding | None:
    """Check that PGD fools the images for which images made on another model fool this one.

    Returns None when there is no other model to use.
    """
    moved = subject.transferred
    if moved is None:  # no finding, because a check that was not made has not passed
        return None
    missed = moved & ~subject.pgd
    return Finding(
        check="transfer",
        passed=subject.fraction(missed) <= MISSED,
        numbers=f"images made on another model fool {int(moved.sum())} of {len(subject)}, PGD on this one "
        f"{int(subject.pgd.sum())}; only the other's {int(missed.sum())}",
        meaning="gradient masking: what fools another model should not be out of reach of the model's own gradients",
        advice="Add attacks without gradients (Square), and do not believe gradient attacks alone",
    )


def same_answers(subject: Subject) -> Finding:
    """Check that fooled images get logits of their own and not the constant answer of a detector."""
    index = subject.pgd.nonzero().squeeze(1)
    with torch.no_grad():  # all images and not only the fooled ones, because a model may not take an empty batch
        now, then = subject.classifier(subject.pgd_images)[index], subject.logits[index]
    alike, before = ((one.unsqueeze(1) == one).all(2) for one in (now, then))
    twins = int((alike & ~before).any(1).sum())
    return Finding(
        check="same answers",
        passed=len(index) < FEWEST_FOOLED or twins <= SAME_ANSWERS * len(index),
        numbers=f"{twins} of {len(index)} fooled images get the very same logits as another",
        meaning="a detector that turns images away with a constant answer, which is neither right nor fooled",
        advice="Attack the classifier without the detector, or make the rejection a class of its own",
    )


MASKING: Checks = (
    gradients,
    gradient_agreement,
    random_directions,
    fgsm_below_pgd,
    larger_balls,
    unbounded,
    scaled,
    margin_loss,
    even_logits,
    flat_logits,
    transfer,
    same_answers,
)

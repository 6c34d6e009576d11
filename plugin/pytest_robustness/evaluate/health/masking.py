"""Checks that tell robustness from masked gradients. They run inside the gate, for every changed model.

After Carlini et al., "On Evaluating Adversarial Robustness" (the checklist), Croce and Hein's AutoAttack (its flags),
and Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security".
"""

from __future__ import annotations

import math

import torch

from pytest_robustness.evaluate.health.comparison import compare
from pytest_robustness.evaluate.health.finding import Checks, Subject
from pytest_robustness.evaluate.health.gradients import gradient_agreement, gradients, random_directions
from pytest_robustness.evaluate.health.pgd import even_gradient, negative_margin, reference_pgd
from pytest_robustness.records.finding import Finding

#: Share of images that an attack may miss although a weaker one, or one in a smaller ball, fooled them.
MISSED = 0.10
#: Steps of the unbounded attack, each of an eighth of the range of a pixel.
UNBOUNDED_STEPS = 24
#: Share of images that may be fooled only by an attack for which the sizes of the logits make no difference.
ONLY_EVEN = 0.075
#: The least share that the nearest other class should have of the weight that cross-entropy gives to other classes, of
#: which there are nine.
NEAREST, NINE = 0.25, 9
#: Share of the fooled images that may get the very same logits although their clean images do not, and the fewest
#: fooled images for which this is checked.
SAME_ANSWERS, FEWEST_FOOLED = 0.5, 4


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
    found = compare(subject, lambda one: one.ascended(one.scaled_down, one.eps), MISSED)
    return Finding(
        check="scaled logits",
        passed=found.gain <= MISSED,
        numbers=f"PGD fools {found.pgd} of {found.images} images, {found.other} with logits times {subject.scale:.2g}",
        meaning="a saturated loss: logits so large that the cross-entropy has lost its digits",
        advice="Attack the margin (C&W), or scale the logits as here",
    )


def margin_loss(subject: Subject) -> Finding:
    """Check that PGD on the loss fools about as many images as PGD on the margin. The margin is what decides."""
    found = compare(subject, lambda one: one.ascended(one.classifier, one.eps, negative_margin), MISSED)
    return Finding(
        check="margin loss",
        passed=found.gain <= MISSED,
        numbers=f"PGD on the loss fools {found.pgd} of {found.images} images, on the margin {found.other}; "
        f"only the margin's {found.only_other}",
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
    found = compare(subject, lambda one: one.ascended(one.classifier, one.eps, direction=even_gradient), ONLY_EVEN)
    return Finding(
        check="even logits",
        passed=found.gain <= ONLY_EVEN,
        numbers=f"PGD on the loss fools {found.pgd} of {found.images} images, along gradients of the "
        f"logits made equally long {found.other}; only these {found.only_other}",
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

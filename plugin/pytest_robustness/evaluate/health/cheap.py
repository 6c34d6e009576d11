"""Checks that cost a few dozen forwards and backwards of forty images.

After Carlini et al., "On Evaluating Adversarial Robustness" (the checklist), Croce and Hein's AutoAttack (its flags),
and Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security".
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.health.finding import Checks, Finding, Subject
from pytest_robustness.evaluate.health.pgd import cross_entropy, gradient, margin, reference_pgd

#: Of the images of a suite a model should get right at least so many; wrong preprocessing costs more than age.
LEAST_ACCURACY = 0.5
#: By so much, as a share of the logits' spread, rounding may move a logit when its image has other batch mates.
ROUNDING = 1e-3
#: How near to 1 the sum of probabilities is.
NORMALISED = 1e-3
#: Share of images whose gradient may be exactly zero, or not finite.
ZERO_GRADIENTS = 0.05
#: Share of images that an attack may miss although a weaker one, or one in a smaller ball, fooled them.
MISSED = 0.10
#: Margin the largest is scaled to: there cross-entropy neither saturates nor is flat.
MARGIN = 5.0
#: Share of images that uniform noise of size eps may fool.
NOISE = 0.10
#: Steps of the unbounded attack, each of an eighth of the range of a pixel.
UNBOUNDED_STEPS = 24


def accuracy(subject: Subject) -> Finding:
    """The images are as the model expects them."""
    share = subject.right / max(subject.tried, 1)
    return Finding(
        "accuracy",
        share >= LEAST_ACCURACY,
        f"{subject.right} of {subject.tried} clean images classified correctly, at least {LEAST_ACCURACY:.0%} expected",
        "wrong normalisation (left out, done twice, of another data set), channels or classes in another order",
        "Compare the suite's normalisation and labels with what the model was trained with; see that it does not "
        "normalise by itself too",
    )


def deterministic(subject: Subject) -> Finding:
    """The same images give the same logits, bit for bit."""
    runs = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
            torch.manual_seed(seed)
            runs.append(subject.classifier(subject.images))
    changed = int((runs[0] != runs[1]).any(1).sum())
    return Finding(
        "deterministic",
        changed == 0,
        f"{changed} of {len(subject)} images have other logits the second time",
        "a randomised model: dropout left on, noise inside, random resizing",
        "Turn the randomness off in eval mode; if it is the defence, attack its expectation (EOT)",
    )


def batch_mates(subject: Subject) -> Finding:
    """An image's logits do not depend on the others in its batch, but for rounding."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
        torch.manual_seed(1)
        together = subject.classifier(subject.images)
        torch.manual_seed(1)
        others = torch.cat([subject.images[:1].expand(len(subject) - 1, -1, -1, -1), subject.images[-1:]])
        apart = subject.classifier(others)
    moved = float((apart[-1] - together[-1]).abs().max() / _spread(together))
    return Finding(
        "batch mates",
        moved <= ROUNDING,
        f"an image's logits move by {moved:.2g} of their range with its batch mates, at most {ROUNDING:g} expected",
        "batch norm that uses the batch's statistics: left in train mode, or without running ones",
        "Call batch norm with training=self.training, and keep track_running_stats",
    )


def logits(subject: Subject) -> Finding:
    """The model's answer is logits, not probabilities or their logarithms."""
    values = subject.logits.double()
    heads = {
        "those of a softmax head": bool((values >= 0).all() and ((values.sum(1) - 1).abs() < NORMALISED).all()),
        "those of a log-softmax head": bool((values.logsumexp(1).abs() < NORMALISED).all()),
    }
    head = next((name for name, found in heads.items() if found), None)
    return Finding(
        "logits",
        head is None,
        f"the outputs are {head or 'logits'}, from {float(values.min()):.3g} to {float(values.max()):.3g}",
        "a head that belongs to inference: losses that take logits are flat on probabilities, and margins may be "
        "wrong on log-probabilities",
        "Let the factory return the model without its last softmax",
    )


def gradients(subject: Subject) -> Finding:
    """The loss leads back to the image."""
    losses = [gradient(subject.classifier, subject.images, subject.labels, loss) for loss in (cross_entropy, margin)]
    lost, flat = (~(one.flatten(1).isfinite().all(1) & (one.flatten(1) != 0).any(1)) for one in losses)
    saturated = bool(lost.any()) and not bool((lost & flat).any())
    return Finding(
        "gradients",
        subject.fraction(lost) <= ZERO_GRADIENTS,
        f"{int(lost.sum())} of {len(subject)} images have a gradient of zero or not finite"
        + (", though that of the margin is not" if saturated else ""),
        "a saturated loss: logits so large that the cross-entropy is exactly 0"
        if saturated
        else "gradient masking: something not differentiable (rounding, argmax, detach) between image and logits",
        "Scale the logits down, or attack the margin (C&W)"
        if saturated
        else "Attack through a differentiable stand-in (BPDA), or with Square, before believing any success rate",
    )


def fgsm_below_pgd(subject: Subject) -> Finding:
    """PGD finds at least what FGSM finds."""
    missed = subject.fgsm & ~subject.pgd
    return Finding(
        "FGSM below PGD",
        subject.fraction(missed) <= MISSED,
        f"FGSM fools {int(subject.fgsm.sum())}, PGD {int(subject.pgd.sum())} of {len(subject)} images; "
        f"FGSM but not PGD {int(missed.sum())}",
        "gradient masking: near the image the gradient points away from what one large step finds",
        "Look at the loss along the way; try more restarts, larger steps, Square",
    )


def larger_balls(subject: Subject) -> Finding:
    """Success does not fall as epsilon grows: a larger ball contains the smaller."""
    sizes = [subject.eps, 2 * subject.eps, 4 * subject.eps]
    found = [subject.pgd, *(subject.ascended(subject.classifier, eps) for eps in sizes[1:])]
    missed = [(found[0] & ~found[1]), (found[0] | found[1]) & ~found[2]]
    shown = ", ".join(f"{subject.fraction(one):.0%} at {eps:g}" for one, eps in zip(found, sizes, strict=True))
    return Finding(
        "larger balls",
        max(map(subject.fraction, missed)) <= MISSED,
        f"PGD fools {shown}; {max(int(one.sum()) for one in missed)} images only in the smaller ball",
        "gradient masking: steps that suit the larger ball are too large for the surface",
        "Attack with smaller steps and more of them; take the best over several sizes",
    )


def unbounded(subject: Subject) -> Finding:
    """With every image in reach, none that matters stays right."""
    found = reference_pgd(
        subject.classifier, subject.images, subject.labels, eps=1.0, steps=UNBOUNDED_STEPS, step=3 / UNBOUNDED_STEPS
    )
    chance = 1 / subject.logits.shape[1]
    return Finding(
        "unbounded",
        subject.fraction(~found) <= chance,
        f"{int((~found).sum())} of {len(subject)} images withstand an attack that may change anything; chance is "
        f"{chance:.0%}",
        "gradient masking: no model can classify an image that is free to become another",
        "Do not believe success rates of gradient attacks on this model",
    )


def noise(subject: Subject) -> Finding:
    """Noise of the attacks' size does almost nothing: it is the attack that fools, and eps is small."""
    generator = torch.Generator().manual_seed(subject.seed)
    drawn = torch.rand(subject.images.shape, generator=generator).to(subject.images) * 2 - 1
    with torch.no_grad():
        fooled = subject.classifier((subject.images + subject.eps * drawn).clamp(0, 1)).argmax(1) != subject.labels
    return Finding(
        "noise",
        subject.fraction(fooled) <= NOISE,
        f"uniform noise of size {subject.eps:g} fools {int(fooled.sum())} of {len(subject)} images, "
        f"at most {NOISE:.0%} expected",
        "wrong normalisation (eps is meant for another range of pixels), or a model at the edge of its decisions",
        "eps is a share of a pixel's range [0, 1]; compare std with what the model was trained with",
    )


def scaled(subject: Subject) -> Finding:
    """Success does not depend on the scale of the logits."""
    factor = MARGIN / float(margin(subject.logits, subject.labels).max().clamp_min(1e-12))
    found = subject.ascended(lambda images: subject.classifier(images) * factor, subject.eps)
    gained = subject.fraction(found) - subject.fraction(subject.pgd)
    return Finding(
        "scaled logits",
        gained <= MISSED,
        f"PGD fools {int(subject.pgd.sum())} of {len(subject)} images, "
        f"{int(found.sum())} with logits times {factor:.2g}",
        "a saturated loss: logits so large, or so flat, that the cross-entropy has lost its digits",
        "Attack the margin (C&W), or scale the logits as here",
    )


def _spread(values: Tensor) -> Tensor:
    return (values.max() - values.min()).clamp_min(1e-12)


CHEAP: Checks = (
    accuracy,
    deterministic,
    batch_mates,
    logits,
    gradients,
    fgsm_below_pgd,
    larger_balls,
    unbounded,
    noise,
    scaled,
)

"""Checks that cost a few dozen forwards and backwards of forty images.

After Carlini et al., "On Evaluating Adversarial Robustness" (the checklist), Croce and Hein's AutoAttack (its flags),
and Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security".
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.health.finding import NORMALISED, Checks, Subject, are_probabilities
from pytest_robustness.evaluate.health.masking import MASKING
from pytest_robustness.evaluate.models.function import ROUNDING
from pytest_robustness.records.finding import Finding

#: The share of a suite's images that a model should classify correctly. Wrong preprocessing costs more accuracy than a
#: model's age does.
LEAST_ACCURACY = 0.5
#: Share of images that uniform noise of size eps may fool.
NOISE = 0.10


def accuracy(subject: Subject) -> Finding:
    """Check that the images are as the model expects them: it classifies enough of them correctly."""
    share = subject.right / max(subject.tried, 1)
    return Finding(
        check="accuracy",
        passed=share >= LEAST_ACCURACY,
        numbers=f"{subject.right} of {subject.tried} clean images classified correctly, at least "
        f"{LEAST_ACCURACY:.0%} expected",
        meaning="wrong normalisation (left out, done twice, of another data set), channels or classes in another order",
        advice="Compare the suite's normalisation and labels with what the model was trained with; see that "
        "it does not "
        "normalise by itself too",
    )


def deterministic(subject: Subject) -> Finding:
    """Check that the same images give the same logits, bit for bit."""
    runs = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
            torch.manual_seed(seed)
            runs.append(subject.classifier(subject.images))
    changed = int((runs[0] != runs[1]).any(1).sum())
    return Finding(
        check="deterministic",
        passed=changed == 0,
        numbers=f"{changed} of {len(subject)} images have other logits the second time",
        meaning="a randomised model: dropout left on, noise inside, random resizing",
        advice="Turn the randomness off in eval mode; if it is the defence, attack its expectation (EOT)",
    )


def batch_mates(subject: Subject) -> Finding:
    """Check that an image's logits do not depend on the others in its batch, except for rounding."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.no_grad():
        torch.manual_seed(1)
        together = subject.classifier(subject.images)
        torch.manual_seed(1)
        others = torch.cat([subject.images[:1].expand(len(subject) - 1, -1, -1, -1), subject.images[-1:]])
        apart = subject.classifier(others)
    moved = float((apart[-1] - together[-1]).abs().max() / _spread(together))
    return Finding(
        check="batch mates",
        passed=moved <= ROUNDING,
        numbers=f"an image's logits move by {moved:.2g} of their range with its batch mates, at most "
        f"{ROUNDING:g} expected",
        meaning="batch norm that uses the batch's statistics: left in train mode, or without running ones",
        advice="Call batch norm with training=self.training, and keep track_running_stats",
    )


def logits(subject: Subject) -> Finding:
    """Check that the model's answer is logits, not probabilities or their logarithms."""
    values = subject.logits.double()
    heads = {
        "those of a softmax head": are_probabilities(values),
        "those of a log-softmax head": bool((values.logsumexp(1).abs() < NORMALISED).all()),
    }
    declared = subject.head != "logits"  # then logarithms of probabilities are expected
    head = None if declared else next((name for name, found in heads.items() if found), None)
    return Finding(
        check="logits",
        passed=head is None,
        numbers=f"the outputs are {head or 'logits'}, from {float(values.min()):.3g} to {float(values.max()):.3g}",
        meaning="a head that belongs to inference: losses that take logits are flat on probabilities, and "
        "margins may be "
        "wrong on log-probabilities",
        advice='Say head = "softmax" of the model, or let the factory return it without its last softmax',
    )


def noise(subject: Subject) -> Finding:
    """Check that uniform noise of size eps fools almost no image.

    Then it is the attack that fools the model, and eps is small.
    """
    generator = torch.Generator().manual_seed(subject.seed)
    drawn = torch.rand(subject.images.shape, generator=generator).to(subject.images) * 2 - 1
    with torch.no_grad():
        fooled = subject.classifier((subject.images + subject.eps * drawn).clamp(0, 1)).argmax(1) != subject.labels
    return Finding(
        check="noise",
        passed=subject.fraction(fooled) <= NOISE,
        numbers=f"uniform noise of size {subject.eps:g} fools {int(fooled.sum())} of {len(subject)} images, "
        f"at most {NOISE:.0%} expected",
        meaning="wrong normalisation (eps is meant for another range of pixels), or a model at the edge of "
        "its decisions",
        advice="eps is a share of a pixel's range [0, 1]; compare std with what the model was trained with",
    )


def _spread(values: Tensor) -> Tensor:
    return (values.max() - values.min()).clamp_min(1e-12)


#: Checks of the model as a function, beside those of masking.
OWN: Checks = (accuracy, deterministic, batch_mates, logits, noise)
CHEAP: Checks = (*OWN, *MASKING)

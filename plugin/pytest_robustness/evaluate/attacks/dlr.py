"""Losses of Auto-PGD whose direction stays the same when logits are shifted or scaled."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import margin

#: Added to a denominator: it keeps a ratio finite when the largest logits are equal.
TINY = 1e-12
#: The fewest classes for which the two ratios are defined.
CLASSES, TARGETED_CLASSES = 3, 4


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logarithm of the odds against the label, (n,): logsumexp of the other logits minus the label's.

    Cross-entropy is log(1 + exp(log odds)), so it rises and falls with them. But where the model is sure it rounds to
    zero, and then a point cannot be told from a better one. The gradient is that of the scale-free cross-entropy.
    """
    label = labels.unsqueeze(1)
    return logits.scatter(1, label, -torch.inf).logsumexp(1) - logits.gather(1, label).squeeze(1)


def difference_of_logits_ratio(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the best other logit minus the label's, divided by the largest minus the third largest, (n,).

    It is above zero when the image fools the model. With two classes there is no third logit, and the result is the
    best other logit minus the label's.

    Source: Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
    attacks", ICML 2020, equation 6.
    """
    climbed = -margin(logits, labels)
    if logits.shape[1] < CLASSES:
        return climbed
    largest = _descending(logits)
    return climbed / (largest[:, 0] - largest[:, 2] + TINY)


def targeted_difference_of_logits_ratio(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Return the target's logit minus the label's, divided by a difference of the largest logits, (n,).

    The divisor is the largest logit minus the mean of the third and fourth largest. With fewer than four classes the
    result is not divided.

    Source: as above, equation 7.
    """
    chosen = logits.gather(1, torch.stack((targets, labels), 1))
    climbed = chosen[:, 0] - chosen[:, 1]
    if logits.shape[1] < TARGETED_CLASSES:
        return climbed
    largest = _descending(logits)
    return climbed / (largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2 + TINY)


def _descending(logits: Tensor) -> Tensor:
    """Return each row's logits, the largest first. The order of equal logits does not depend on the other rows."""
    return logits.sort(dim=1, descending=True, stable=True).values

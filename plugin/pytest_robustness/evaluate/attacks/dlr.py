"""Losses of Auto-PGD whose direction is not lost where logits are shifted or scaled."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.norms import margin

#: Keeps a ratio finite where the largest logits are equal.
TINY = 1e-12
#: The fewest classes of which the two ratios are defined.
CLASSES, TARGETED_CLASSES = 3, 4


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """The logarithm of the odds against the label, (n,): logsumexp of the other logits less the label's.

    Cross-entropy is log(1 + exp(log odds)): it rises and falls with these, but rounds to zero where the model is sure,
    where one point can then not be told from a better one. The gradient is that of the scale-free cross-entropy.
    """
    label = labels.unsqueeze(1)
    return logits.scatter(1, label, -torch.inf).logsumexp(1) - logits.gather(1, label).squeeze(1)


def difference_of_logits_ratio(logits: Tensor, labels: Tensor) -> Tensor:
    """The best other logit less the label's, over the largest less the third largest, (n,): above zero is fooled.

    Of two classes there is no third: the margin.

    Source: Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
    attacks", ICML 2020, equation 6.
    """
    climbed = -margin(logits, labels)
    if logits.shape[1] < CLASSES:
        return climbed
    largest = _descending(logits)
    return climbed / (largest[:, 0] - largest[:, 2] + TINY)


def targeted_difference_of_logits_ratio(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The target's logit less the label's, over the largest less the mean of the third and fourth largest, (n,).

    Of fewer than four classes the margin to the target.

    Source: as above, equation 7.
    """
    chosen = logits.gather(1, torch.stack((targets, labels), 1))
    climbed = chosen[:, 0] - chosen[:, 1]
    if logits.shape[1] < TARGETED_CLASSES:
        return climbed
    largest = _descending(logits)
    return climbed / (largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2 + TINY)


def _descending(logits: Tensor) -> Tensor:
    """Each row's logits, the largest first; among equal ones the order does not depend on the other rows."""
    return logits.sort(dim=1, descending=True, stable=True).values

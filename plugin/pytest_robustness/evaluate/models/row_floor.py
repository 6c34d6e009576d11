"""The row floor: how small a batch may be while its results stay bit-equal to those of a full one."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_robustness.evaluate.models.classifier import Classifier

#: The floors that are tried, from the largest down. When none of them holds, only full batches are bit-equal.
FLOORS = (32, 16, 8, 4, 2)


@torch.enable_grad()
def find_row_floor(classifier: Classifier, images: Tensor, capacity: int) -> int:
    """Return the smallest number of rows, of ``FLOORS``, from which on batches are bit-equal to a full one.

    Libraries choose another algorithm for small batches, which rounds differently. Logits and the gradients of the
    input are compared, of rows from the middle of a full batch. Outcomes of attacks are not compared, because they
    would hide a wrong floor: the sign of a gradient hides its last bits. Each floor is tried with its own number of
    rows and with the largest number below twice that.

    On a GPU the floor is the whole batch: with cuDNN no smaller batch was bit-equal to it for all of the models tried,
    and each number of rows that cuDNN has not met before costs it a plan.

    Args:
        images: (n, C, H, W) in [0, 1], on the classifier's device; they are repeated to fill the batch.
        capacity: rows of a full batch.

    Returns:
        A floor of at most ``capacity``, and ``capacity`` itself when 32 rows are not enough.
    """
    if images.device.type == "cuda" or capacity <= min(FLOORS):
        return capacity
    full = images[torch.arange(capacity) % len(images)]
    expected = _looked(classifier, full)
    found = capacity
    for floor in FLOORS:
        sizes = [size for size in (2 * floor - 1, floor) if size < capacity]
        if not all(_equal(classifier, full, expected, size) for size in sizes):
            break
        found = min(floor, capacity)
    return found


def _equal(classifier: Classifier, full: Tensor, expected: list[Tensor], size: int) -> bool:
    start = (len(full) - size) // 2
    part = slice(start, start + size)
    return all(
        torch.equal(mine, whole[part]) for mine, whole in zip(_looked(classifier, full[part]), expected, strict=True)
    )


def _looked(classifier: Classifier, images: Tensor) -> list[Tensor]:
    """Return the logits and, when the model gives gradients, a gradient of the input.

    It is the gradient of the largest logit minus the mean of all.
    """
    images = images.clone().requires_grad_()
    logits = classifier(images)
    if not logits.requires_grad:
        return [logits]
    (gradient,) = torch.autograd.grad((logits.amax(1) - logits.mean(1)).sum(), images, allow_unused=True)
    return [logits.detach()] if gradient is None else [logits.detach(), gradient]

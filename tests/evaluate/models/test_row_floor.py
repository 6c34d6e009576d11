"""The smallest batch that is bit-equal to a full one is found, on logits and on gradients."""

from __future__ import annotations

import pytest
import torch
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.row_floor import find_row_floor
from torch import Tensor, nn

from tests.evaluate import nets

CAPACITY = 100


class RoundsOtherwise(nn.Module):
    """As a library that takes another algorithm for some numbers of rows: the last bits of what it computes differ."""

    def __init__(self, sizes: set[int], *, gradients_only: bool = False) -> None:
        super().__init__()
        self.sizes, self.gradients_only = sizes, gradients_only
        self.asked: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.asked.append(len(images))
        logits = images.flatten(1)[:, :5] * 3.0  # pixel by pixel: no algorithm to choose
        if len(images) not in self.sizes:
            return logits
        scaled = logits * (1 + 1e-6)
        return scaled + (logits - scaled).detach() if self.gradients_only else scaled


def found(model: nn.Module, *, count: int = 7, capacity: int = CAPACITY) -> int:
    images = torch.rand(count, 3, nets.SIZE, nets.SIZE, generator=torch.Generator().manual_seed(0))
    with Classifier(model.eval()) as classifier:
        return find_row_floor(classifier, images, capacity)


@pytest.mark.parametrize("gradients_only", [False, True])
@pytest.mark.parametrize(
    ("sizes", "floor"),
    [
        (set(), 2),
        ({2}, 4),
        ({3}, 4),
        (set(range(1, 16)), 16),
        ({15}, 16),
        ({16}, 32),
        ({31}, 32),
        ({32}, CAPACITY),
        ({63}, CAPACITY),
        (set(range(1, CAPACITY)), CAPACITY),
    ],
)
def test_a_size_that_rounds_otherwise_is_never_below_the_floor(
    sizes: set[int], floor: int, gradients_only: bool
) -> None:
    assert found(RoundsOtherwise(sizes, gradients_only=gradients_only)) == floor


def test_a_model_that_draws_random_numbers_is_given_whole_batches_only() -> None:
    class Draws(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :5] + torch.rand(len(images), 5)

    assert found(Draws()) == CAPACITY


def test_a_model_without_a_gradient_is_known_by_its_logits() -> None:
    class Threshold(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return (images.flatten(1)[:, :5] > 0.5).float().detach()

    assert found(Threshold()) == 2


def test_no_batch_is_larger_than_a_full_one() -> None:
    model = RoundsOtherwise(set())
    assert found(model, capacity=12) == 2
    assert max(model.asked) == 12
    assert found(RoundsOtherwise({8}), capacity=12) == 12
    assert found(RoundsOtherwise(set()), capacity=2) == 2
    assert found(RoundsOtherwise(set()), capacity=1) == 1

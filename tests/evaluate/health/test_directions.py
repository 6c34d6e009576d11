"""A direction that no stretching of single logits can turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytest_robustness.evaluate.health.pgd import cross_entropy, even_gradient, gradient
from torch import Tensor, nn

STRETCHED: dict[str, Callable[[Tensor], Tensor]] = {
    "a temperature": lambda logits: logits / 7,
    "a scale": lambda logits: logits * 30,
    "a tanh": lambda logits: 5 * torch.tanh(logits / 5),
    "a sigmoid": torch.sigmoid,
    "a cube": lambda logits: logits**3 + 0.1 * logits,
    "a logarithm": lambda logits: logits.sign() * logits.abs().log1p(),
    "a shift": lambda logits: logits - 9,
}


def net(classes: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.Tanh(), nn.Linear(20, classes)).double()


def images(count: int = 6) -> Tensor:
    return torch.rand((count, 3, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize("name", STRETCHED)
def test_no_function_of_one_logit_turns_it(name: str, classes: int) -> None:
    model, labels = net(classes), torch.tensor([0, 1, 0, 1, 1, 0])
    plain = even_gradient(model, images(), labels, cross_entropy)
    there = even_gradient(lambda inputs: STRETCHED[name](model(inputs)), images(), labels, cross_entropy)
    assert torch.allclose(plain, there, atol=1e-9)
    assert bool((plain.flatten(1).norm(dim=1) > 0.1).all())
    textbook = gradient(model, images(), labels, cross_entropy)
    assert classes == 2 or not torch.allclose(textbook, plain, atol=1e-3)


def test_of_two_classes_it_is_the_difference_of_the_gradients_made_equally_long() -> None:
    model, labels = net(2), torch.tensor([0, 1, 0, 1, 1, 0])
    each = [gradient(model, images(), labels, lambda logits, _, i=i: logits[:, i]) for i in range(2)]
    unit = [one / one.flatten(1).norm(dim=1).view(-1, 1, 1, 1) for one in each]
    sign = torch.where(labels == 0, 1.0, -1.0).view(-1, 1, 1, 1)
    assert torch.allclose(even_gradient(model, images(), labels, cross_entropy), sign * (unit[1] - unit[0]))


def test_where_nothing_leads_back_it_is_zero() -> None:
    model, labels = net(3), torch.zeros(6, dtype=torch.int64)
    found = even_gradient(lambda inputs: model(inputs.detach()), images(), labels, cross_entropy)
    assert not bool(found.any())
    partly = even_gradient(
        lambda inputs: model(inputs) * torch.tensor([1.0, 0.0, 0.0]), images(), labels, cross_entropy
    )
    assert bool(partly.isfinite().all())

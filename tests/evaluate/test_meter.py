"""What the meter notices, what it leaves out, and what it must not touch."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.meter import UNFOOLED, Exhausted, Meter
from pytest_robustness.evaluate.models.classifier import Classifier
from torch import Tensor, nn

EPS, FLOOR = 0.25, 16


class Brightness(nn.Module):
    """Class 1 where the mean pixel is above one half, else class 0: who is fooled is plain to see."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(8.0))
        self.batches: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(images.detach().clone())
        height = self.gain * (images.mean((1, 2, 3)) - 0.5)
        return torch.stack((-height, height), 1)

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


def meter_of(
    count: int = 40,
    *,
    attempts: Tensor | None = None,
    candidates: bool = True,
    freeze: bool = True,
    floor: int = FLOOR,
    **kind: Any,
) -> tuple[Meter, Brightness]:
    """A meter over ``count`` images of class 0, all at 0.4, and the net it watches."""
    net = Brightness()
    images, labels = torch.full((count, 1, 2, 2), 0.4), torch.zeros(count, dtype=torch.int64)
    meter = Meter(
        Classifier(net),
        images,
        labels,
        torch.ones(count, dtype=torch.bool) if attempts is None else attempts,
        candidates=candidates,
        freeze=freeze,
        ball=partial(ball.within, norm=kind.get("norm", "inf"), eps=EPS),
        row_floor=floor,
    )
    return meter, net


def brighter(meter: Meter, *rows: int, by: float = 0.2) -> Tensor:
    """The clean images, but the given rows across the boundary."""
    moved = meter.images.clone()
    moved[list(rows)] += by
    return moved


def gradient(meter: Meter, inputs: Tensor) -> Tensor:
    inputs = inputs.clone().requires_grad_()
    return torch.autograd.grad(meter(inputs).square().sum(), inputs)[0]


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("candidates", [False, True])
def test_counts_forwards_and_gradients(*, candidates: bool, freeze: bool) -> None:
    meter, _ = meter_of(candidates=candidates, freeze=freeze)
    with torch.no_grad():
        meter(meter.images)
    meter(meter.images.clone().requires_grad_())  # never differentiated
    for _ in range(3):
        gradient(meter, meter.images)
    inputs = meter.images.clone().requires_grad_()
    logits = meter(inputs)
    for column in (0, 1):  # a Jacobian is as many gradients as it has rows
        torch.autograd.grad(logits[:, column].sum(), inputs, retain_graph=True)
    assert (meter.forwards, meter.gradients) == (6, 5)


def test_only_counts_for_other_attacks() -> None:
    meter, net = meter_of(candidates=False, freeze=False)
    logits = meter(brighter(meter, 1, 2))
    assert torch.equal(logits, net(brighter(meter, 1, 2)))
    gradients = gradient(meter, brighter(meter, 1, 2))
    assert bool((gradients != 0).all())
    assert meter.effort.tolist() == [UNFOOLED] * 40
    assert not bool(meter.fooled.any())
    assert torch.equal(meter.adversarial, meter.images)


@pytest.mark.parametrize("freeze", [False, True])
def test_effort_is_the_gradients_made_before_the_first_success(*, freeze: bool) -> None:
    meter, _ = meter_of(freeze=freeze)
    gradient(meter, brighter(meter, 4))  # fooled at the start
    gradient(meter, brighter(meter, 4, 5))
    meter(brighter(meter, 6))  # a look without a gradient costs nothing
    gradient(meter, brighter(meter, 4, 5, 7))
    meter(brighter(meter, 8))
    noticed = {row: effort for row, effort in enumerate(meter.effort.tolist()) if effort != UNFOOLED}
    assert noticed == {4: 0, 5: 1, 6: 2, 7: 2, 8: 3}
    assert meter.fooled.nonzero().squeeze(1).tolist() == [4, 5, 6, 7, 8]


def test_a_success_is_kept_as_it_was_first() -> None:
    meter, _ = meter_of(freeze=False)
    inputs = brighter(meter, 4, by=0.15)
    meter(inputs)
    first = inputs.clone()
    inputs += 0.05  # attacks may move their images in place
    meter(brighter(meter, 4, by=0.2))
    meter(meter.images)
    assert torch.equal(meter.adversarial, first)


def _outside(value: float) -> Tensor:
    moved = torch.full((1, 2, 2), 0.6)
    moved[0, 0, 0] = value
    return moved


NO_CANDIDATES = [
    pytest.param(torch.full((1, 2, 2), 0.4 + EPS + 1e-4), id="left the ball"),
    pytest.param(_outside(0.4 - EPS - 1e-4), id="one pixel left the ball"),
    pytest.param(_outside(torch.nan), id="NaN"),
]


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("candidate", NO_CANDIDATES)
def test_from_a_forward_with_a_row_outside_of_its_ball_on_the_meter_only_counts(
    candidate: Tensor, *, freeze: bool
) -> None:
    """In that forward, too: such an attack does something else than it is said to do."""
    meter, net = meter_of(freeze=freeze)
    meter(brighter(meter, 5))
    inputs = brighter(meter, 7)
    inputs[3] = candidate
    assert int(meter(inputs)[7].argmax()) == 1
    meter(brighter(meter, 9))
    assert meter.fooled.nonzero().squeeze(1).tolist() == [5]
    assert meter.withdrawn == "a forward of images outside of the ball"
    assert net.sizes == [40, 40, 40]
    assert not meter.candidates


def test_rows_that_were_fooled_before_stay_so_but_are_computed_again() -> None:
    meter, net = meter_of()
    meter(brighter(meter, *range(30)))
    gradients = gradient(meter, brighter(meter, 3, by=EPS + 0.01))
    assert net.sizes == [40, 40]
    assert bool((gradients != 0).all())
    assert meter.fooled.nonzero().squeeze(1).tolist() == list(range(30))


def test_the_last_of_rows_to_be_fooled_ends_the_attack_before_anything_else_is_looked_at() -> None:
    meter, net = meter_of(20)
    meter(brighter(meter, *range(20)))
    with pytest.raises(Exhausted):
        meter(torch.ones(3, 1, 2, 2))
    assert net.sizes == [20]
    assert meter.withdrawn == ""


@pytest.mark.parametrize("value", [-1e-3, 1 + 1e-3, torch.inf, torch.nan])
def test_without_a_ball_a_candidate_is_still_an_image(value: float) -> None:
    meter, _ = meter_of(norm=None)
    inputs = torch.ones_like(meter.images)
    with torch.no_grad():
        meter(inputs)
    assert int(meter.fooled.sum()) == 40
    meter, _ = meter_of(norm=None)
    inputs[3, 0, 0, 0] = value
    meter(inputs)
    assert not bool(meter.fooled.any())
    assert meter.withdrawn == "a forward of images outside of the ball"


@pytest.mark.parametrize(("by", "noticed"), [(0.12, [3]), (0.2, [])])
def test_the_ball_is_round_in_l2(by: float, noticed: list[int]) -> None:
    """0.2 a pixel is inside 0.25 in the maximum norm and at 0.4 in L2."""
    meter, _ = meter_of(norm="2")
    meter(brighter(meter, 3, by=by))
    assert meter.fooled.nonzero().squeeze(1).tolist() == noticed


def test_a_fooled_row_has_no_gradient_from_then_on_and_the_others_keep_theirs() -> None:
    meter, net = meter_of()
    inputs = brighter(meter, 3, 9)
    watched = gradient(meter, inputs)
    later = gradient(meter, inputs)
    alone = inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(alone).square().sum(), alone)
    expected[[3, 9]] = 0
    assert torch.equal(watched, expected)
    assert torch.equal(later, expected)
    assert int((later.flatten(1).abs().sum(1) > 0).sum()) == 38


def test_a_fooled_row_stays_fooled_whatever_it_is_asked_later() -> None:
    meter, _ = meter_of()
    first = meter(brighter(meter, 3, by=0.15)).detach()
    later = meter(meter.images)  # row 3 went back across the boundary
    assert torch.equal(later[3], first[3])
    assert later[3].argmax() == 1
    assert meter.effort[3] == 0


def test_without_freezing_nothing_is_left_out() -> None:
    meter, net = meter_of(freeze=False)
    gradient(meter, brighter(meter, 3, 9))
    logits = meter(meter.images)
    assert net.sizes == [40, 40]
    assert logits[3].argmax() == 0


@pytest.mark.parametrize("candidates", [False, True])
def test_without_freezing_a_small_batch_is_computed_as_it_is(*, candidates: bool) -> None:
    """``full`` is the attack untouched."""
    meter, net = meter_of(5, freeze=False, candidates=candidates)
    gradient(meter, meter.images)
    assert net.sizes == [5]


def test_a_fooled_row_is_not_computed_again() -> None:
    meter, net = meter_of(floor=1)
    meter(brighter(meter, 3, 9))
    meter(meter.images - torch.arange(40).view(-1, 1, 1, 1) / 1000)
    assert net.sizes == [40, 38]
    computed = net.batches[1][:, 0, 0, 0]
    assert torch.allclose(computed, torch.tensor([0.4 - row / 1000 for row in range(40) if row not in (3, 9)]))


@pytest.mark.parametrize("count", [5, 15, 40])
def test_no_compacted_batch_is_smaller_than_the_floor(count: int) -> None:
    meter, net = meter_of(count)
    for fooled in range(count - 1):
        gradient(meter, brighter(meter, *range(fooled)))
    assert net.sizes == [max(FLOOR, count - fooled) for fooled in [0, *range(count - 2)]]


def test_with_all_fooled_the_attack_is_exhausted() -> None:
    meter, net = meter_of(20)
    meter(brighter(meter, *range(19)))
    meter(brighter(meter, 19))
    with pytest.raises(Exhausted):
        meter(meter.images)
    assert net.sizes == [20, FLOOR]
    assert bool(meter.fooled.all())


def test_rows_wrong_when_clean_are_never_computed_and_never_fooled() -> None:
    attempts = torch.ones(40, dtype=torch.bool)
    attempts[[2, 30]] = False
    meter, net = meter_of(attempts=attempts)
    gradients = gradient(meter, brighter(meter, 2, 3))
    assert net.sizes == [38]
    assert meter.fooled.nonzero().squeeze(1).tolist() == [3]
    assert torch.equal(gradients[[2, 3, 30]], torch.zeros(3, 1, 2, 2))


def test_rows_that_are_never_computed_are_said_to_be_right() -> None:
    """Attacks that drop what is wrong when clean would ask about fewer rows from then on."""
    attempts = torch.ones(40, dtype=torch.bool)
    attempts[[2, 30]] = False
    meter, _ = meter_of(attempts=attempts)
    meter.labels[[2, 5]] = 1
    logits = meter(brighter(meter, 3))
    assert logits.argmax(1).tolist() == [1 if row in (2, 3) else 0 for row in range(40)]


def test_rows_wrong_when_clean_are_never_fooled_without_freezing() -> None:
    attempts = torch.ones(40, dtype=torch.bool)
    attempts[2] = False
    meter, net = meter_of(attempts=attempts, freeze=False)
    meter(brighter(meter, 2, 3))
    assert net.sizes == [40]
    assert meter.fooled.nonzero().squeeze(1).tolist() == [3]


def test_no_attempts_exhaust_the_attack_at_once() -> None:
    meter, net = meter_of(attempts=torch.zeros(40, dtype=torch.bool))
    with pytest.raises(Exhausted):
        meter(meter.images)
    assert net.sizes == []


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("inputs", [torch.full((20, 1, 2, 2), 0.6), torch.full((80, 1, 2, 2), 0.6)])
def test_from_inputs_that_are_no_rows_of_the_batch_on_the_meter_only_counts(inputs: Tensor, *, freeze: bool) -> None:
    """Half the batch, or copies of it: nobody knows whose candidates they are, and what the attack does next."""
    meter, net = meter_of(freeze=freeze)
    logits = meter(inputs)
    assert bool((logits.argmax(1) == 1).all())
    assert meter.withdrawn == f"a forward of {len(inputs)} images in a batch of 40"
    gradient(meter, brighter(meter, 4))
    assert net.sizes == [len(inputs), 40]
    assert (meter.forwards, meter.gradients, meter.rows, meter.gradient_rows) == (2, 1, len(inputs) + 40, 40)
    assert not bool(meter.fooled.any())


@pytest.mark.parametrize(("freeze", "computed"), [(True, 40 + 30 + FLOOR), (False, 120)])
def test_rows_are_the_images_computed_repeated_ones_included(*, freeze: bool, computed: int) -> None:
    meter, net = meter_of(freeze=freeze)
    meter(brighter(meter, *range(10)))
    meter(brighter(meter, *range(30)))
    gradient(meter, meter.images)
    assert meter.rows == sum(net.sizes) == computed
    assert meter.gradient_rows == net.sizes[-1]


def test_padding_changes_no_gradient() -> None:
    """The rows that fill a small batch up must not be counted in."""
    small, _ = meter_of(3)
    large, _ = meter_of(3, floor=1)
    assert torch.equal(gradient(small, small.images), gradient(large, large.images))

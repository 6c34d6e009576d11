"""APGD against the paper's algorithm on one image, its losses, its targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.evaluate.attacks.apgd import APGD, checkpoints
from pytest_robustness.evaluate.attacks.dlr import (
    difference_of_logits_ratio,
    log_odds,
    targeted_difference_of_logits_ratio,
)
from pytest_robustness.evaluate.attacks.losses import cross_entropy, negative_margin, scale_free_cross_entropy
from pytest_robustness.evaluate.models.classifier import Classifier
from torch import Tensor, nn

from tests.evaluate import nets
from tests.evaluate.run_rows import Spy, run
from tests.evaluate.suites import MEAN, STD, as_tensor, labels_of, pictures

FLOOR = 16
IMAGES = as_tensor(pictures(count=24))
LABELS = torch.from_numpy(labels_of(pictures(count=24), wrong=()))
EPS = {"inf": 0.015, "2": 0.2}
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "scale-free": log_odds,
    "cross-entropy": cross_entropy,
    "margin": negative_margin,
    "dlr": difference_of_logits_ratio,
}


def classifier(net: nn.Module | None = None) -> Classifier:
    return Classifier(net or nets.tiny(), mean=(MEAN,), std=(STD,))


def projected(x: Tensor, clean: Tensor, norm: str) -> Tensor:
    delta = x - clean
    if norm == "inf":
        delta = delta.clamp(-EPS[norm], EPS[norm])
    else:
        delta = delta * min(1.0, EPS[norm] / float(delta.double().norm()))
    return (clean + delta).clamp(0, 1)


def literally(
    evaluate: Callable[[Tensor], tuple[float, Tensor]], x: Tensor, clean: Tensor, norm: str, steps: int, rho: float
) -> tuple[list[Tensor], list[int]]:
    """Algorithm 1 on one image, in the paper's words: its iterates, and the checkpoints at which it halved its step."""
    eta, alpha = 2 * EPS[norm], 0.75
    w, iterates, values, halved = checkpoints(steps), [x], [], []
    f_max, x_max, g_max, eta_then, f_then, previous = -float("inf"), x, x, None, None, x
    for k in range(steps):
        value, gradient = evaluate(iterates[k])
        values.append(value)
        here = iterates[k]
        if value > f_max:
            f_max, x_max, g_max = value, here, gradient
        if k in w and k > 0:
            since = w[w.index(k) - 1]
            rises = sum(values[i + 1] > values[i] for i in range(since, k))
            condition_1 = rises < rho * (k - since)
            condition_2 = eta_then == eta and f_then == f_max
            eta_then, f_then = eta, f_max
            if condition_1 or condition_2:
                eta, here, gradient = eta / 2, x_max, g_max
                halved.append(k)
        elif k == 0:
            eta_then, f_then = eta, f_max
        direction = gradient.sign() if norm == "inf" else gradient / gradient.double().norm().float()
        ahead = projected(here + eta * direction, clean, norm)
        if k == 0:
            moved = ahead
        else:
            moved = projected(here + alpha * (ahead - here) + (1 - alpha) * (here - previous), clean, norm)
        previous = here
        iterates.append(moved)
    return iterates, halved


def of_one(model: nn.Module, loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[float, Tensor]]:
    """Value and gradient at an image, which is repeated, as the convolutions of a smaller batch round differently."""

    def evaluate(x: Tensor) -> tuple[float, Tensor]:
        batch = x.expand(FLOOR, -1, -1, -1).clone().requires_grad_()
        losses = loss(model(batch))
        return float(losses[0].detach()), torch.autograd.grad(losses.sum(), batch)[0][0]

    return evaluate


@pytest.mark.parametrize("norm", ["inf", "2"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_image_goes_the_papers_way(norm: str, loss: str) -> None:
    spy, steps, halvings = Spy(APGD(EPS[norm], norm, steps=25, loss=loss)), 25, set()
    with classifier() as model:
        found = run(spy, model, IMAGES, LABELS, row_floor=FLOOR)
        for place in range(0, len(LABELS), 2):
            count = (int(found.first[place]) if found.fooled[place] else steps) + 1
            taken = spy.iterates(place)[:count]
            label = LABELS[place].expand(FLOOR)
            evaluate = of_one(model, lambda logits, label=label: LOSSES[loss](logits, label))
            way, halved = literally(evaluate, taken[0], IMAGES[place], norm, steps, 0.75)
            assert int(found.forwards[place]) == min(count, steps) + 1  # the look at the answer
            assert torch.allclose(torch.stack(taken), torch.stack(way[:count]), rtol=0, atol=1e-6)
            if not found.fooled[place]:
                halvings.add(tuple(halved))
    assert len(halvings) > 2  # each image has a step size of its own
    assert 0 < int(found.fooled.sum()) < len(LABELS)


def test_checkpoints_are_the_papers() -> None:
    assert checkpoints(100) == [0, 22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(10) == [0, 3, 5, 6, 7, 8, 9]
    assert [checkpoints(steps) for steps in (1, 2, 3)] == [[0], [0, 1], [0, 1, 2]]


@given(st.integers(1, 3000))
def test_checkpoints_rise_and_end_before_the_last_step(steps: int) -> None:
    points = checkpoints(steps)
    assert points == sorted(set(points))
    assert points[0] == 0
    assert points[-1] < steps


# --- losses -------------------------------------------------------------------------------------------------------

ROWS = st.integers(2, 7).flatmap(
    lambda classes: st.tuples(
        st.lists(st.integers(-400, 400), min_size=classes, max_size=classes, unique=True),
        st.permutations(range(classes)),
    )
)


@given(ROWS)
def test_the_ratios_are_the_papers(row: tuple[list[int], list[int]]) -> None:
    numbers, (label, target, *_) = [one / 16 for one in row[0]], row[1]
    ordered, others = sorted(numbers, reverse=True), [one for place, one in enumerate(numbers) if place != label]
    logits, labels, targets = torch.tensor([numbers]), torch.tensor([label]), torch.tensor([target])
    expected = max(others) - numbers[label]
    if len(numbers) > 2:
        expected /= ordered[0] - ordered[2]
    assert float(difference_of_logits_ratio(logits, labels)) == pytest.approx(expected, rel=1e-5)
    expected = numbers[target] - numbers[label]
    if len(numbers) > 3:
        expected /= ordered[0] - (ordered[2] + ordered[3]) / 2
    assert float(targeted_difference_of_logits_ratio(logits, labels, targets)) == pytest.approx(expected, rel=1e-5)


@given(ROWS)
def test_the_log_odds_are_those_of_the_softmax_and_climb_as_cross_entropy(row: tuple[list[int], list[int]]) -> None:
    logits, labels = torch.tensor([row[0]]) / 64.0, torch.tensor(row[1][:1])
    share = logits.double().softmax(1)[0, labels]
    assert float(log_odds(logits, labels)) == pytest.approx(float(((1 - share) / share).log()), rel=1e-4, abs=1e-5)
    assert float(log_odds(logits, labels).exp().log1p()) == pytest.approx(
        float(cross_entropy(logits, labels)), rel=1e-4, abs=1e-6
    )
    gradients = []
    for loss in (log_odds, scale_free_cross_entropy):
        leaf = (logits * 16).requires_grad_()
        gradients.append(torch.autograd.grad(loss(leaf, labels).sum(), leaf)[0])
    assert torch.allclose(*gradients, rtol=0, atol=2e-5)


@pytest.mark.parametrize("loss", ["scale-free", "dlr", "margin", "targeted"])
def test_scaled_logits_change_no_outcome(loss: str) -> None:
    """By a power of two, of two classes: bit for bit the same. By 200, of ten: no fewer are fooled, but for one."""
    attack = APGD(0.015, steps=15, loss=loss, targets=3)
    results = []
    for scale in (1, 256):
        with classifier(nets.Head(lambda logits, scale=scale: logits[:, :2] * scale)) as model:
            with torch.no_grad():
                labels = model(IMAGES).argmax(1)
            results.append(run(attack, model, IMAGES, labels, row_floor=FLOOR))
    assert 0 < int(results[0].fooled.sum()) < len(LABELS)
    assert results[0].same_as(results[1])
    fooled = []
    for scale in (1, 200):
        with classifier(nets.Head(lambda logits, scale=scale: logits * scale)) as model:
            fooled.append(run(attack, model, IMAGES, LABELS, row_floor=FLOOR).fooled)
    assert int(fooled[1].sum()) >= int(fooled[0].sum()) - 1


def test_the_textbooks_loss_is_lost_where_the_model_is_sure() -> None:
    fooled = {}
    with classifier(nets.Head(lambda logits: logits * 200)) as model:
        for loss in ("cross-entropy", "scale-free"):
            fooled[loss] = run(APGD(0.015, steps=15, loss=loss), model, IMAGES, LABELS, row_floor=FLOOR).fooled
    assert int(fooled["cross-entropy"].sum()) < int(fooled["scale-free"].sum())


# --- targets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "targets", "runs"), [(10, 9, 9), (10, 2, 2), (4, 9, 3), (3, 9, 2), (2, 9, 1)])
def test_each_of_the_likeliest_wrong_classes_has_a_run_of_its_own(classes: int, targets: int, runs: int) -> None:
    """In the order of the clean image's logits, each the paper's way from a start of its own."""
    steps, spy = 5, Spy(APGD(EPS["inf"], steps=5, loss="targeted", targets=targets))
    with classifier(nets.seeded(lambda: nets.Tiny(classes))) as model:
        with torch.no_grad():
            logits = model(IMAGES)
        labels = logits.argmax(1)
        found = run(spy, model, IMAGES, labels, row_floor=FLOOR)
        never = (~found.fooled).nonzero().squeeze(1).tolist()
        assert never
        for place in never[:3]:
            taken = spy.iterates(place)
            assert len(taken) == 1 + runs * (steps + 1) == int(found.forwards[place])
            assert int(found.gradients[place]) == len(taken) - 1
            assert torch.equal(taken[0], IMAGES[place])
            ranked = [one for one in logits[place].argsort(descending=True).tolist() if one != labels[place]]
            starts = taken[1 :: steps + 1]
            assert len({start.sum().item() for start in starts}) == runs
            for target, number in zip(ranked, range(runs), strict=False):
                mine = taken[1 + number * (steps + 1) :][: steps + 1]
                pair = labels[place].expand(FLOOR), torch.tensor(target).expand(FLOOR)
                evaluate = of_one(model, lambda out, pair=pair: targeted_difference_of_logits_ratio(out, *pair))
                way, _ = literally(evaluate, starts[number], IMAGES[place], "inf", steps, 0.75)
                assert torch.allclose(torch.stack(mine), torch.stack(way), rtol=0, atol=1e-6)


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_the_runs_start_all_over_the_ball(norm: str) -> None:
    """Each start is as spread as if it were drawn alone, and none is like another."""
    spy = Spy(APGD(1e-3, norm, steps=1, loss="targeted", targets=9))
    with classifier() as model:
        found = run(spy, model, IMAGES[:4], LABELS[:4], row_floor=FLOOR)
    assert not bool(found.fooled.any())
    starts = torch.stack([torch.stack(spy.iterates(place)[1::2]) for place in range(4)]) - IMAGES[:4].unsqueeze(1)
    assert starts.shape[1] == 9
    flat = starts.flatten(2).transpose(0, 1).flatten(1)  # nine starts, all pixels
    if norm == "inf":
        assert torch.allclose(flat.std(1), torch.full((9,), 1e-3 / 3**0.5), rtol=0.03, atol=0)
    else:
        assert torch.allclose(starts.flatten(2).norm(dim=2), torch.tensor(1e-3), rtol=1e-3, atol=0)
    apart = torch.corrcoef(flat).abs().fill_diagonal_(0)
    assert float(apart.max()) < 0.15


def test_a_restart_tries_all_targets_again() -> None:
    given: dict[str, Any] = {"steps": 2, "loss": "targeted", "targets": 3}
    with classifier() as model:
        once, twice = (
            run(APGD(0.01, restarts=restarts, **given), model, IMAGES, LABELS, row_floor=FLOOR) for restarts in (1, 2)
        )
    never = ~twice.fooled
    assert bool(never.any())
    assert bool((once.forwards[never] == 10).all())
    assert bool((twice.forwards[never] == 20).all())

"""Carlini and Wagner's attack: every image for itself, with the right margin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torchattacks
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.cw import BOUND, CW, exponential
from pytest_robustness.evaluate.attacks.rows import Rows
from pytest_robustness.evaluate.models.classifier import Classifier
from torch import Tensor, nn

from tests.evaluate import nets
from tests.evaluate.run_rows import Outcome, Spy, run
from tests.evaluate.suites import MEAN, STD, as_tensor, case_of, labels_of, measure, pictures

#: At these, some images are fooled at once, some late and some never.
GIVEN: dict[str, Any] = {"c": 1, "kappa": 0, "steps": 30, "lr": 0.01, "patience": 3}
FLOOR = 16
IMAGES = as_tensor(pictures())
LABELS = torch.from_numpy(labels_of(pictures(), wrong=()))


@pytest.fixture
def classifier() -> Iterator[Classifier]:
    with Classifier(nets.tiny(), mean=(MEAN,), std=(STD,)) as borrowed:
        yield borrowed


def outcome(
    classifier: Classifier, images: Tensor = IMAGES, labels: Tensor = LABELS, **given: Any
) -> tuple[Outcome, list[Tensor]]:
    """What it comes to, and each step's candidates for all images; those of an image that has left are its last."""
    spy = Spy(CW(**(GIVEN | given)))
    found = run(spy, classifier, images, labels, row_floor=FLOOR)
    iterates = [spy.iterates(place)[: spy.steps] for place in range(len(images))]
    return found, [torch.stack([one[min(step, len(one) - 1)] for one in iterates]) for step in range(spy.steps)]


def attack(classifier: Classifier, images: Tensor = IMAGES, labels: Tensor = LABELS, **given: Any) -> Tensor:
    return run(CW(**(GIVEN | given)), classifier, images, labels, row_floor=FLOOR).adversarial


def fooled(classifier: Classifier, adversarial: Tensor, labels: Tensor = LABELS) -> Tensor:
    with torch.no_grad():
        return classifier(adversarial).argmax(1) != labels


def l2(adversarial: Tensor, images: Tensor = IMAGES) -> Tensor:
    return (adversarial - images).flatten(1).norm(dim=1)


@dataclass
class Trace:
    """What one image goes through: its best candidate, the steps it took, whether it was ever fooled."""

    best: Tensor
    steps: int
    fooled: bool


def oracle(model: nn.Module, image: Tensor, label: int, *, kappa: float = 0, patience: int = 3) -> Trace:
    """The paper's objective on one image, by automatic differentiation and PyTorch's own Adam.

    The image is repeated to the floor, as the convolutions of a smaller batch round differently.
    """
    w = torch.atanh((2 * image.expand(FLOOR, -1, -1, -1) - 1) * BOUND)
    start = (torch.tanh(w) + 1) / 2  # distances are to this, as in the authors' own code
    w.requires_grad_()
    optimizer = torch.optim.Adam([w], lr=GIVEN["lr"])
    trace, smallest, improved = Trace(image, GIVEN["steps"], fooled=False), float("inf"), 0
    for step in range(1, GIVEN["steps"] + 1):
        x = (torch.tanh(w) + 1) / 2
        logits = model(x)
        distance = (x - start).square().flatten(1).sum(1)
        closer = float(distance[0].detach()) < smallest
        others = torch.cat((logits[:, :label], logits[:, label + 1 :]), 1).amax(1)
        margin = torch.clamp(logits[:, label] - others, min=-kappa)
        cost = (distance + GIVEN["c"] * margin).sum()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        if closer and int(logits[0].argmax()) != label:
            trace.best, trace.fooled = x[0].detach(), True
            smallest, improved = float(distance[0].detach()), step
        if patience and trace.fooled and step - improved >= patience:
            trace.steps = step
            break
    return trace


@pytest.mark.parametrize(("kappa", "patience"), [(0, 3), (0, 0), (0, 1), (0.1, 3)])
def test_agrees_with_an_oracle_image_by_image(classifier: Classifier, kappa: float, patience: int) -> None:
    adversarial = attack(classifier, kappa=kappa, patience=patience)[::2]
    clean, labels = IMAGES[::2], LABELS[::2]
    traces = [
        oracle(classifier, image, label, kappa=kappa, patience=patience)
        for image, label in zip(clean, labels.tolist(), strict=True)
    ]
    best = torch.stack([trace.best for trace in traces])
    assert fooled(classifier, adversarial, labels).tolist() == [trace.fooled for trace in traces]
    assert torch.allclose(l2(adversarial, clean), l2(best, clean), rtol=0, atol=1e-5)
    assert torch.allclose(adversarial, best, rtol=0, atol=1e-4)
    if patience:  # or there is no patience to agree on
        assert len({trace.steps for trace in traces}) > 3
    assert 5 < sum(trace.fooled for trace in traces) < len(clean)


def test_patience_gives_up_the_last_improvements_only(classifier: Classifier) -> None:
    """Never a success, and each success no closer to clean than without giving up."""
    patient, hasty = attack(classifier, patience=0), attack(classifier, patience=1)
    assert torch.equal(fooled(classifier, patient), fooled(classifier, hasty))
    assert bool((l2(hasty) >= l2(patient)).all())
    assert bool((l2(hasty) > l2(patient)).any())


@pytest.mark.parametrize("count", [56, 37, 16])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_the_batch_changes_no_image(classifier: Classifier, count: int, seed: int) -> None:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    given = attack(classifier, IMAGES[:count], LABELS[:count])
    assert torch.equal(attack(classifier, IMAGES[order], LABELS[order]), given[order])


@pytest.mark.parametrize("size", [1, 5, 16, 24])
def test_the_size_of_the_batch_changes_no_image(classifier: Classifier, size: int) -> None:
    parts = [attack(classifier, x, y) for x, y in zip(IMAGES.split(size), LABELS.split(size), strict=True)]
    assert torch.equal(torch.cat(parts), attack(classifier))


def test_other_mates_change_no_image(classifier: Classifier) -> None:
    mates = as_tensor(pictures(seed=9))
    mates[::3] = IMAGES[::3]
    assert torch.equal(attack(classifier, mates)[::3], attack(classifier)[::3])


def test_the_evidence_does_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    given = {"attack": "CW", "steps": GIVEN["steps"]}
    whole, *others = (measure(case_of(tmp_path, given, batch_size=size)).evidence for size in (56, 24, 7))
    assert others == [whole, whole]


def test_the_margin_is_over_the_other_logits_only() -> None:
    logits = torch.tensor([[-5.0, -1.0, -3.0], [-5.0, -1.0, -3.0], [4.0, 1.0, -1.0], [0.5, 0.0, 0.0]])
    for kappa, labels, expected in ((2, [1, 0, 0, 0], [2.0, -2.0, 3.0, 0.5]), (0, [1, 0, 2, 0], [2.0, 0.0, 0.0, 0.5])):
        assert CW(kappa=kappa).loss(logits, Rows({"label": torch.tensor(labels)})).tolist() == expected


@pytest.mark.parametrize("head", [nets.negative_logits, nets.log_probabilities])
def test_a_head_below_zero_is_attacked_as_any_other(classifier: Classifier, head: Any) -> None:
    """Margins and decisions are the same; torchattacks' finds a zero above them all and goes astray."""
    with Classifier(head(), mean=(MEAN,), std=(STD,)) as below:
        adversarial = attack(below)
        astray = torchattacks.CW(below, steps=30)(IMAGES, LABELS)
        assert torch.equal(fooled(below, adversarial), fooled(classifier, attack(classifier)))
        assert int(fooled(below, astray).sum()) < int(fooled(below, adversarial).sum())
    assert torch.allclose(l2(adversarial), l2(attack(classifier)), rtol=0, atol=0.02)


def test_fools_whom_torchattacks_fools(classifier: Classifier) -> None:
    theirs = torchattacks.CW(classifier, c=1, kappa=0, steps=30, lr=0.01)(IMAGES, LABELS)
    ours = fooled(classifier, attack(classifier))
    assert bool((ours | ~fooled(classifier, theirs)).all())
    assert bool(fooled(classifier, theirs).any())


def test_images_never_fooled_come_back_unchanged(classifier: Classifier) -> None:
    adversarial = attack(classifier)
    never = ~fooled(classifier, adversarial)
    assert 0 < int(never.sum()) < len(LABELS)
    assert torch.equal(adversarial[never], IMAGES[never])
    assert bool((l2(adversarial)[~never] > 0).all())


def test_the_closest_success_is_returned(classifier: Classifier) -> None:
    """Not the first and not the last."""
    found, seen = outcome(classifier, patience=0)
    adversarial = found.adversarial
    assert found.gradients.tolist() == [GIVEN["steps"]] * len(LABELS)
    distances = torch.stack([l2(candidates) for candidates in seen])
    successes = torch.stack([fooled(classifier, candidates) for candidates in seen])
    ever = successes.any(0)
    closest = distances.masked_fill(~successes, torch.inf)
    assert torch.allclose(l2(adversarial)[ever], closest.amin(0)[ever], rtol=0, atol=1e-6)
    assert {0, GIVEN["steps"] - 1} != set(closest.argmin(0)[ever].tolist())
    assert bool((closest.argmin(0) != successes.int().argmax(0))[ever].any())


def steps_taken(classifier: Classifier, **given: Any) -> list[int]:
    """Rows of each forward of the attack; the look at the answers is not one."""
    sizes: list[int] = []

    def note(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if torch.is_grad_enabled():
            sizes.append(len(inputs[0]))

    hook = classifier.register_forward_pre_hook(note)
    attack(classifier, **given)
    hook.remove()
    return sizes


def test_without_patience_no_image_leaves(classifier: Classifier) -> None:
    assert steps_taken(classifier, patience=0, kappa=0.1) == [len(LABELS)] * GIVEN["steps"]


def test_with_patience_fooled_images_leave_and_the_others_stay_to_the_end(classifier: Classifier) -> None:
    sizes = steps_taken(classifier)
    assert len(sizes) == GIVEN["steps"]
    assert sizes == sorted(sizes, reverse=True)
    together = GIVEN["patience"] + 1  # an image fooled by the first candidate leaves after so many
    assert sizes[:together] == [len(LABELS)] * together
    assert sizes[-1] == FLOOR


def test_when_all_have_left_the_attack_ends(classifier: Classifier) -> None:
    assert len(steps_taken(classifier, c=20, lr=0.05, steps=200)) < 200


def test_the_exponential_is_exact_for_an_optimisers_steps_and_sane_for_all() -> None:
    z = torch.linspace(-2, 2, 4001)
    assert torch.allclose(exponential(z).double(), z.double().exp(), rtol=1e-5, atol=0)
    assert torch.allclose(exponential(z / 40).double(), (z / 40).double().exp(), rtol=1e-6, atol=0)
    everything = exponential(torch.linspace(-500, 500, 20001))
    assert bool((everything > 0).all())
    assert bool((everything.diff() >= 0).all())


@pytest.mark.parametrize("lr", [1, 30])
def test_steps_however_large_give_images(classifier: Classifier, lr: float) -> None:
    """Where tanh would saturate, odds could overflow."""
    _, seen = outcome(classifier, lr=lr, kappa=1e9, c=50, patience=0)
    assert all(bool(ball.within(candidates, IMAGES, None, 0).all()) for candidates in seen)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_black_and_white_pixels_give_no_nan(classifier: Classifier, share: float) -> None:
    """torchattacks' own starts at w = inf; its gradient is 0 x inf."""
    generator = torch.Generator().manual_seed(0)
    images = torch.where(torch.rand(IMAGES.shape, generator=generator) < share, IMAGES.round(), IMAGES)
    with torch.no_grad():
        labels = classifier(images).argmax(1)
    adversarial = attack(classifier, images, labels, c=5, lr=0.05)
    assert bool(ball.within(adversarial, images, None, 0).all())
    if share < 1:  # the other pixels are enough
        assert fooled(classifier, adversarial, labels).float().mean() > 0.5

"""FMN and DDN against the distances that are known exactly, and against foolbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.ddn import DDN
from pytest_robustness.evaluate.attacks.fmn import FMN
from pytest_robustness.evaluate.attacks.norms import norm_of
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.models.classifier import padded
from torch import Tensor, nn

from tests.evaluate import zoo
from tests.evaluate.run_rows import run
from tests.evaluate.suites import case_of, measure

COUNT, CLASSES, SHAPE = 24, 5, (3, 6, 6)

ATTACKS: dict[str, tuple[Callable[[int], Any], str]] = {
    "FMN-inf": (lambda steps: FMN("inf", steps), "inf"),
    "FMN-2": (lambda steps: FMN("2", steps), "2"),
    "DDN": (lambda steps: DDN(steps, init=0.1), "2"),
}
named = pytest.mark.parametrize("name", ATTACKS)


def answers(attack: Any, model: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> Tensor:
    return run(attack, model, images, labels).adversarial


class Linear(nn.Module):
    """Logits that are linear in the image: the distance to each boundary is known."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(classes, int(np.prod(SHAPE)), generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        return (images - 0.5).flatten(1) @ self.weight.T


def linear(classes: int = CLASSES) -> tuple[Linear, Tensor, Tensor]:
    """The model and images around grey, far enough from black and white that the box is never met."""
    model, generator = Linear(classes), torch.Generator().manual_seed(1)
    images = 0.5 + 0.04 * torch.randn(COUNT, *SHAPE, generator=generator)
    return model, images, model(images).argmax(1)


def exact(model: Linear, images: Tensor, labels: Tensor, norm: str) -> Tensor:
    """(N,) distance to the nearest boundary: the margin over the dual norm of the difference of two rows."""
    logits = model(images)
    distances = torch.full_like(logits, torch.inf)
    for row, label in enumerate(labels.tolist()):
        for other in range(len(model.weight)):
            if other != label:
                difference = model.weight[label] - model.weight[other]
                size = difference.abs().sum() if norm == "inf" else difference.norm()
                distances[row, other] = (logits[row, label] - logits[row, other]) / size
    return distances.amin(1)


@named
def test_the_distance_to_a_linear_boundary_is_found(name: str) -> None:
    attack, norm = ATTACKS[name]
    # the gradient of a cross-entropy of several classes does not point to the nearest boundary
    model, images, labels = linear(2 if name == "DDN" else CLASSES)
    adversarial = answers(attack(100), model, images, labels)
    assert bool((model(adversarial).argmax(1) != labels).all())
    assert 0 <= float(adversarial.min()) <= float(adversarial.max()) <= 1
    ratio = norm_of(adversarial - images, norm) / exact(model, images, labels, norm)
    assert float(ratio.min()) >= 1 - 1e-4  # nothing nearer fools
    assert float(ratio.mean()) <= 1.02
    assert float(ratio.max()) <= 1.1


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_a_boundary_is_reached_although_the_steepest_pixel_is_black_already(norm: Literal["inf", "2"]) -> None:
    """It would help most if it became darker, and cannot: the other has to go all the way, 0.3."""

    def model(images: Tensor) -> Tensor:
        black, other = images.flatten(1).unbind(1)
        return torch.stack([torch.full_like(other, 0.5), other - 10 * black], 1)

    image = torch.tensor([0.0, 0.2]).view(1, 1, 1, 2)
    adversarial = answers(FMN(norm, 30), model, image, torch.tensor([0]))
    assert int(model(adversarial).argmax(1)) == 1
    assert float(norm_of(adversarial - image, norm)) == pytest.approx(0.3, rel=0.02)


@named
def test_more_steps_never_answer_with_an_image_that_is_not_fooled(name: str) -> None:
    attack, _ = ATTACKS[name]
    model, images, labels = linear()
    for steps in (1, 2, 5):
        adversarial = answers(attack(steps), model, images, labels)
        unchanged = (adversarial == images).flatten(1).all(1)
        assert bool(((model(adversarial).argmax(1) != labels) ^ unchanged).all())


@contextmanager
def of_the_zoo(name: str) -> Iterator[tuple[Callable[[Tensor], Tensor], Tensor, Tensor]]:
    """A classifier of the zoo, padded as the batch pads it, and images it gets right."""
    with zoo.classifier(name) as classifier:
        yield lambda inputs: padded(classifier, inputs, 24), *zoo.pixels(24)


@named
@pytest.mark.parametrize("of", zoo.MODELS)
def test_an_image_is_attacked_for_itself(name: str, of: str) -> None:
    """Its answer is bit for bit the same in another order and among other images."""
    attack, _ = ATTACKS[name]
    with of_the_zoo(of) as (model, images, labels):
        whole = answers(attack(4), model, images, labels)
        rows = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:17]
        assert torch.equal(answers(attack(4), model, images[rows], labels[rows]), whole[rows])


@named
@pytest.mark.parametrize("of", ["vgg11_bn", "mobilenet_v3_small"])
def test_the_mean_distance_is_foolboxs(name: str, of: str) -> None:
    foolbox = pytest.importorskip("foolbox")
    attack, norm = ATTACKS[name]
    steps = 15
    theirs = {
        "FMN-inf": foolbox.attacks.LInfFMNAttack(steps=steps),
        "FMN-2": foolbox.attacks.L2FMNAttack(steps=steps),
        "DDN": foolbox.attacks.DDNAttack(steps=steps, init_epsilon=0.1),
    }[name]
    with of_the_zoo(of) as (model, images, labels):

        class Module(nn.Module):
            def forward(self, inputs: Tensor) -> Tensor:
                return model(inputs)

        wrapped = foolbox.PyTorchModel(Module().eval(), (0, 1), device="cpu")
        _, found, success = theirs(wrapped, images, labels, epsilons=None)
        ours = answers(attack(steps), model, images, labels)
        fooled = model(ours).argmax(1) != labels
    assert int(fooled.sum()) >= int(success.sum())
    both = fooled & success
    means = [float(norm_of((one - images)[both], norm).mean()) for one in (ours, found.detach())]
    assert means[0] <= 1.01 * means[1]


def test_they_run_from_a_suite_and_tell_effort_and_noise(tmp_path: Path) -> None:
    for attack in ({"attack": "FMN", "norm": "2", "steps": 10}, {"attack": "FMN", "steps": 10}, {"attack": "DDN"}):
        case = case_of(tmp_path, attack)
        found = measure(case)
        assert found.protocol.attack == attack["attack"]
        assert found.provenance.attacks == "own"
        assert found.aggregates.success_rate == 1.0
        assert found.aggregates.noise_rate is not None
        assert found.evidence.effort is not None
        assert resolve(case).spec.norm is None  # it has no ball


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ({"attack": "FMN", "norm": "1"}, "norm: '1' is not one of inf, 2"),
        ({"attack": "FMN", "init": 0.1}, "init: unknown key (parameters: norm, steps, alpha, gamma, eps)"),
        ({"attack": "DDN", "norm": "2"}, "norm: unknown key (parameters: steps, init, gamma, loss, eps)"),
        ({"attack": "DDN", "gamma": -1}, "gamma: -1 is not a number of at least 0"),
    ],
)
def test_a_mistake_names_its_key(attack: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, attack))
    assert said in str(error.value)

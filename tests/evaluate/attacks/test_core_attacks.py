"""The core attacks on a linear model, whose best perturbation is known, and what all of them promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.apgd import APGD
from pytest_robustness.evaluate.attacks.bim import BIM
from pytest_robustness.evaluate.attacks.fgsm import FGSM
from pytest_robustness.evaluate.attacks.mifgsm import MIFGSM
from pytest_robustness.evaluate.attacks.norms import norm_of
from pytest_robustness.evaluate.attacks.pgd import PGD
from pytest_robustness.evaluate.attacks.square import Square
from torch import Tensor

from tests.evaluate import nets
from tests.evaluate.run_rows import Spy, run
from tests.evaluate.suites import MEAN, STD, as_tensor, labels_of, pictures

COUNT, SHAPE = 12, (3, 6, 6)
EPS = {"inf": 0.02, "2": 0.2}

#: With all steps that they need to arrive.
ATTACKS: dict[str, tuple[Callable[[str], Any], str]] = {
    "fgsm": (lambda loss: FGSM(EPS["inf"], loss), "inf"),
    "bim": (lambda loss: BIM(EPS["inf"], 0.008, 3, loss), "inf"),
    "mifgsm": (lambda loss: MIFGSM(EPS["inf"], 0.008, 3, loss=loss), "inf"),
    "pgd": (lambda loss: PGD(EPS["inf"], 0.008, 5, loss=loss), "inf"),
    "pgd without a random start": (lambda loss: PGD(EPS["inf"], 0.008, 3, random_start=False, loss=loss), "inf"),
    "pgd-2": (lambda loss: PGD(EPS["2"], 0.05, 60, "2", loss=loss), "2"),
    "apgd": (lambda loss: APGD(EPS["inf"], "inf", 30, loss=loss), "inf"),
    "apgd-2": (lambda loss: APGD(EPS["2"], "2", 60, loss=loss), "2"),
}
named = pytest.mark.parametrize("name", ATTACKS)


class Linear:
    """Two logits that are linear in the image, the label's far above the other: nothing in the ball fools."""

    def __init__(self, scale: float = 1.0) -> None:
        self.weight = torch.randn(int(torch.tensor(SHAPE).prod()), generator=torch.Generator().manual_seed(0))
        self.scale = scale

    def __call__(self, images: Tensor) -> Tensor:
        other = (images - 0.5).flatten(1) @ self.weight
        return torch.stack((torch.full_like(other, 40.0), other), 1) * self.scale


def grey() -> tuple[Tensor, Tensor]:
    """Images from which no ball reaches black or white."""
    images = 0.3 + 0.4 * torch.rand(COUNT, *SHAPE, generator=torch.Generator().manual_seed(1))
    return images, torch.zeros(COUNT, dtype=torch.int64)


def best(model: Linear, images: Tensor, norm: str) -> Tensor:
    """The image of the ball with the greatest loss: in the box too, as long as that is not met, or the norm is inf."""
    weight = model.weight.view(SHAPE)
    direction = weight.sign() if norm == "inf" else weight / weight.norm()
    return (images + EPS[norm] * direction).clamp(0, 1)


@named
@pytest.mark.parametrize("loss", ["scale-free", "cross-entropy", "margin"])
def test_the_best_image_of_the_ball_is_found(name: str, loss: str) -> None:
    (attack, norm), model = ATTACKS[name], Linear(0.1)
    images, labels = grey()
    found = run(attack(loss), model, images, labels)
    assert not bool(found.fooled.any())
    assert torch.allclose(found.adversarial, best(model, images, norm), rtol=0, atol=EPS[norm] * 1e-3)


@pytest.mark.parametrize("name", [name for name, (_, norm) in ATTACKS.items() if norm == "inf"])
def test_the_best_image_of_the_ball_and_the_box_is_found(name: str) -> None:
    attack, model = ATTACKS[name][0], Linear()
    images, labels = grey()
    images = torch.where(images < 0.4, images / 100, torch.where(images > 0.6, 1 - images / 100, images))
    found = run(attack("margin"), model, images, labels).adversarial
    assert torch.allclose(found, best(model, images, "inf"), rtol=0, atol=2e-5)
    assert bool((found == 0).any())
    assert bool((found == 1).any())


@named
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_a_model_that_is_surer_is_attacked_as_well(name: str, scale: float) -> None:
    """The default loss keeps its gradient where cross-entropy has none: 40,000 logits apart."""
    attack, norm = ATTACKS[name]
    images, labels = grey()
    found = run(attack("scale-free"), Linear(scale), images, labels).adversarial
    assert torch.allclose(found, best(Linear(), images, norm), rtol=0, atol=EPS[norm] * 1e-3)
    if scale == 1000 and name != "mifgsm":  # the textbook's has nothing to follow there
        lost = run(attack("cross-entropy"), Linear(scale), images, labels).adversarial
        assert not torch.allclose(lost, best(Linear(), images, norm), rtol=0, atol=EPS[norm] * 0.1)


@pytest.mark.parametrize(("norm", "share"), [("inf", 0.9), ("2", 0.3)])
def test_a_random_search_gets_most_of_it(norm: str, share: float) -> None:
    """Of what the best image gains. In L-infinity nearly all: the last squares are single pixels."""
    model, (images, labels) = Linear(), grey()
    found = run(Square(EPS[norm], norm, queries=1000), model, images, labels)
    gains = (model(best(model, images, norm)) - model(images))[:, 1]
    gained = (model(found.adversarial) - model(images))[:, 1] / gains
    assert float(gained.min()) > share
    assert float(gained.max()) <= 1 + 1e-5


@named
def test_a_larger_ball_fools_no_fewer_and_an_answer_that_fools_is_the_first(name: str) -> None:
    """Of a model that can be fooled."""
    (attack, norm), (images, labels) = ATTACKS[name], grey()

    def model(inputs: Tensor) -> Tensor:
        logits = Linear()(inputs)
        return torch.stack((logits[:, 0] - 40 + reached, logits[:, 1]), 1)

    reached = 0.5 * (Linear()(best(Linear(), images, norm)) + Linear()(images))[:, 1].median()
    found = run(attack("scale-free"), model, images, labels)
    assert 0 < int(found.fooled.sum()) < COUNT
    possible = model(best(Linear(), images, norm)).argmax(1) == 1
    assert torch.equal(found.fooled, possible)
    assert bool((found.first[found.fooled] >= 0).all())
    assert bool((found.first[~found.fooled] < 0).all())


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_mifgsm_is_the_papers_algorithm(decay: float) -> None:
    """Its momentum shows on a model whose gradient turns only; with all images a batch, bit for bit."""
    images, eps, alpha, steps = as_tensor(pictures()), 0.03, 0.01, 5
    labels = torch.from_numpy(labels_of(pictures(), wrong=()))
    net = nets.tiny().eval()
    x, momentum = images, torch.zeros_like(images)
    for _ in range(steps):
        leaf = x.clone().requires_grad_()
        logits = net((leaf - MEAN) / STD)
        (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"), leaf)
        momentum = decay * momentum + gradient / gradient.abs().sum((1, 2, 3), keepdim=True)
        x = (images + (x + alpha * momentum.sign() - images).clamp(-eps, eps)).clamp(0, 1)
    attack = MIFGSM(eps, alpha, steps, decay=decay, loss="cross-entropy")
    found = run(attack, lambda inputs: net((inputs - MEAN) / STD), images, labels, stops=False)
    same = (found.adversarial == x).float().mean()  # rounding may turn a sum of nearly nothing
    assert float(same) > 0.9999
    simple = run(BIM(eps, alpha, steps, "cross-entropy"), lambda inputs: net((inputs - MEAN) / STD), images, labels)
    assert float((simple.adversarial == x).float().mean()) < 0.99


CORE: dict[str, Any] = {
    "fgsm": FGSM(0.03),
    "bim": BIM(0.03, 0.01, 4),
    "mifgsm": MIFGSM(0.03, 0.01, 4),
    "pgd": PGD(0.03, 0.01, 4),
    "pgd-2": PGD(0.4, 0.2, 4, "2"),
    "apgd": APGD(0.03, steps=8),
    "apgd-dlr": APGD(0.03, steps=8, loss="dlr"),
    "apgd-t": APGD(0.03, steps=4, loss="targeted", targets=3),
    "apgd-2": APGD(0.4, "2", steps=8),
    "square": Square(0.06, queries=30),
    "square-2": Square(1.2, "2", queries=30),
}


@pytest.mark.parametrize("name", CORE)
@pytest.mark.parametrize("stops", [True, False])
def test_every_candidate_lies_in_the_ball_and_the_box(name: str, stops: bool) -> None:
    """Also of images with black and white pixels; and what is done twice comes to the same."""
    attack, images = CORE[name], as_tensor(pictures())
    images[::4] = images[::4].round()
    labels = torch.from_numpy(labels_of(pictures(), wrong=()))
    net, spy = nets.tiny().eval(), Spy(attack)

    def model(inputs: Tensor) -> Tensor:
        return net((inputs - MEAN) / STD)  # type: ignore[no-any-return]

    found = run(spy, model, images, labels, stops=stops, capacity=len(images))
    assert 0 < int(found.fooled.sum()) < len(labels)
    for (place, _, _), candidate in spy.seen.items():
        assert bool(ball.within(candidate[None], images[place][None], attack.norm, attack.eps))
    assert bool(ball.within(found.adversarial, images, attack.norm, attack.eps).all())
    assert float(norm_of(found.adversarial - images, attack.norm).max()) > 0.9 * attack.eps
    assert found.same_as(run(attack, model, images, labels, stops=stops, capacity=len(images)))


@pytest.mark.parametrize("name", ["apgd", "apgd-dlr", "apgd-t", "square", "square-2"])
def test_an_image_that_is_fooled_is_done_also_where_every_step_is_to_be_taken(name: str) -> None:
    """Of an attack that answers with the best it has seen, further steps would change nothing."""
    images, net = as_tensor(pictures()), nets.tiny().eval()
    labels = torch.from_numpy(labels_of(pictures(), wrong=()))
    first, full = (
        run(CORE[name], lambda inputs: net((inputs - MEAN) / STD), images, labels, stops=stops)
        for stops in (True, False)
    )
    assert bool(first.fooled.any())
    for field in ("adversarial", "fooled", "first", "forwards"):
        assert torch.equal(getattr(first, field), getattr(full, field))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PGD(0.1, 0.1, loss="hinge"), "loss: 'hinge' is not one of scale-free, cross-entropy, margin"),
        (lambda: APGD(0.1, loss="ce"), "loss: 'ce' is not one of scale-free, cross-entropy, dlr, margin, targeted"),
        (lambda: APGD(0.1, norm="L2"), "norm: 'L2' is not one of inf, 2"),
        (lambda: Square(0.1, norm="1"), "norm: '1' is not one of inf, 2"),
    ],
)
def test_a_parameter_that_means_nothing_is_named(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match="^" + said + "$"):
        make()

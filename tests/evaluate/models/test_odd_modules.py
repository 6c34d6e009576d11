"""Modules that are not quite like others: they work, come back as they were, or are told in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.active_batch import NO_GRADIENT
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.digests import code_digest
from torch import Tensor, nn

from tests.evaluate.models.test_classifier import Picture
from tests.evaluate.suites import ATTACKS, case_of, measure


def plain() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5))


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = plain()

    def forward(self, images: Tensor) -> Any:
        return self.inner(images)


class ReturnsNothing(Around):
    """As backbones do that keep their batch norm frozen."""

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)


class Expanded(Around):
    """A buffer of which all pixels are one number in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1).expand(1, 3, 4, 4))

    def forward(self, images: Tensor) -> Any:
        return self.inner(images + self.shift)


class OfInferenceMode(Around):
    """A buffer that was made where nothing has gradients, and that is multiplied with what has one."""

    def __init__(self) -> None:
        super().__init__()
        with torch.inference_mode():
            self.register_buffer("scale", torch.ones(3, 1, 1))

    def forward(self, images: Tensor) -> Any:
        return self.inner(images * self.scale)


class Alias(Around):
    """One module by two names, and one parameter in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.head = self.inner[4]
        self.tied = nn.Linear(16, 5)
        self.tied.weight = self.head.weight


def example(count: int = 6) -> Tensor:
    return torch.rand((count, 3, 4, 4), generator=torch.Generator().manual_seed(1))


def exported() -> nn.Module:
    rows = torch.export.Dim("rows", min=2)
    return torch.export.export(plain().eval(), (example(),), dynamic_shapes=({0: rows},)).module()


WORKING: dict[str, Callable[[], nn.Module]] = {
    "train() that returns nothing": ReturnsNothing,
    "an expanded buffer": Expanded,
    "a buffer of inference mode": OfInferenceMode,
    "one module by two names": Alias,
    "scripted": lambda: torch.jit.script(plain()),
    "scripted and frozen": lambda: torch.jit.freeze(torch.jit.script(plain().eval())),
    "traced": lambda: torch.jit.trace(plain().eval(), example()),
    "exported": exported,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WORKING)
def test_it_works_and_comes_back_as_it_was(name: str) -> None:
    model = WORKING[name]()
    before = Picture(model)
    images = example().requires_grad_()
    with Classifier(model) as classifier:
        logits = classifier(images)
        (gradient,) = torch.autograd.grad(logits.sum(), images)
        assert not any(parameter.requires_grad for parameter in model.parameters())
    code_digest(model, (3, 4, 4), torch.float32)
    assert torch.allclose(logits, plain().eval()(images), atol=1e-6)
    assert bool(gradient.flatten(1).any(1).all())
    assert before.is_of(model)


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return plain()


class Failing(Around):
    def named_buffers(self, *given: Any, **named: Any) -> Any:
        raise ValueError("no buffers today")


def test_a_module_by_two_names_is_followed_as_one_by_one_name() -> None:
    digests = {code_digest(factory().eval(), (3, 4, 4), torch.float32) for factory in (plain, Around, Alias)}
    assert len(digests) == 1
    assert None not in digests


def test_giving_a_model_back_hides_no_error_and_restores_what_can_be() -> None:
    model = plain()
    parameters, buffer = dict(model.named_parameters()), model[1].running_mean
    with pytest.raises(ZeroDivisionError), Classifier(model):
        model[4].weight = nn.Parameter(torch.zeros(5, 16))
        buffer.resize_(7)  # cannot be compared with what it was
        raise ZeroDivisionError
    assert all(one is parameters[name] and one.requires_grad for name, one in model.named_parameters())
    assert model.training


def lazy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(5))


def of_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return plain()


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (lazy, "the model's 1.weight has no values yet: call the model once in its factory"),
        (on_meta, "the model's 0.weight has no values, as it is on the meta device"),
        (Failing, "the model's parameters or buffers raised ValueError: no buffers today (test_odd_modules.py:"),
        (of_inference_mode, "the model's 0.weight was made under torch.inference_mode()"),
    ],
)
def test_what_cannot_work_says_what_to_do(factory: Callable[[], nn.Module], said: str) -> None:
    with pytest.raises(RobustnessError) as error:
        Classifier(factory())
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_a_model_without_gradients_is_told_by_attacks_that_need_them_and_attacked_by_others(tmp_path: Path) -> None:
    source = "tests.evaluate.nets:without_gradients"
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, ATTACKS["pgd"], source=source))
    assert str(error.value) == NO_GRADIENT
    assert measure(case_of(tmp_path, ATTACKS["square"], source=source)).aggregates.attempts > 0


@pytest.mark.parametrize("attack", ["pgd", "square"])
def test_a_model_that_scales_its_numbers_by_the_whole_batch_is_no_function_of_the_image(
    attack: str, tmp_path: Path
) -> None:
    """As dynamic quantisation does."""
    with pytest.raises(RobustnessError, match="it looks at the other images of its batch"):
        measure(case_of(tmp_path, ATTACKS[attack], source="tests.evaluate.nets:quantised"))

"""What an attack may do to a model, and how the model comes back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.classifier import Classifier, Frozen, padded
from torch import Tensor, nn

from tests.evaluate import nets
from tests.evaluate.suites import ATTACKS, case_of, measure


class Picture:
    """All of a module that borrowing it could change."""

    def __init__(self, model: nn.Module) -> None:
        self.modes = {name: getattr(module, "training", None) for name, module in model.named_modules()}
        self.tensors = dict(model.named_parameters()) | dict(model.named_buffers())
        self.flags = {name: tensor.requires_grad for name, tensor in self.tensors.items()}
        self.memory = {name: tensor.data_ptr() for name, tensor in self.tensors.items()}
        self.values = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        self.gradients = {name: tensor.grad for name, tensor in self.tensors.items()}

    def is_of(self, model: nn.Module) -> bool:
        now = Picture(model)
        same_values = all(
            self.values[name].dtype == value.dtype and torch.equal(self.values[name], value)
            for name, value in now.values.items()
        )
        return (
            same_values
            and now.tensors.keys() == self.tensors.keys()
            and all(now.tensors[name] is tensor for name, tensor in self.tensors.items())
            and now.memory == self.memory
            and (now.modes, now.flags, now.gradients) == (self.modes, self.flags, self.gradients)
        )


def mixed() -> nn.Module:
    """Modes and flags that no single call sets: fine-tuning with a frozen first layer and frozen batch norm."""
    model = nets.tiny().train()
    model.norm.eval()
    model.first.requires_grad_(False)
    return model


def images(count: int = 5) -> Tensor:
    return torch.rand(count, nets.CHANNELS, nets.SIZE, nets.SIZE, generator=torch.Generator().manual_seed(1))


def test_train_is_a_no_op_through_every_wrapper() -> None:
    class Wrapper(Frozen):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

    with Classifier(mixed()) as classifier:
        wrapper = Wrapper(Wrapper(classifier))
        for _ in range(2):
            assert wrapper.train() is wrapper
            assert not any(module.training for module in wrapper.modules())
            wrapper.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_comes_back_as_it_was(dtype: torch.dtype, *, fails: bool) -> None:
    model = mixed().to(dtype)
    before = Picture(model)
    try:
        with Classifier(model, mean=(0.5,), std=(0.25,)) as classifier:
            assert not any(module.training for module in model.modules())
            assert not any(parameter.requires_grad for parameter in model.parameters())
            inputs = images().requires_grad_()
            logits = classifier(inputs)
            assert logits.dtype == torch.float32
            logits.sum().backward()
            assert inputs.grad is not None
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert before.is_of(model)


def test_normalises_inside() -> None:
    model = nets.tiny().eval()
    with Classifier(model, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0)) as classifier, torch.no_grad():
        shift, scale = (torch.tensor(values).view(1, 3, 1, 1) for values in ((0.1, 0.2, 0.3), (0.5, 0.25, 2.0)))
        assert torch.equal(classifier(images()), model((images() - shift) / scale))


@pytest.mark.parametrize("kind", ATTACKS)
def test_no_attack_changes_the_model(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above all batch norm's running statistics, which attacks corrupt when they restore training mode."""
    case, model = case_of(tmp_path, ATTACKS[kind]), mixed()
    before = Picture(model)
    monkeypatch.setattr(nets, "tiny", lambda: model)
    assert measure(case).timing.rows > 0
    assert before.is_of(model)


def test_an_attack_that_trains_its_model_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, model = case_of(tmp_path, {"attack": "tests.evaluate.nets:Trains", "norm": "inf"}), mixed()
    before = Picture(model)
    monkeypatch.setattr(nets, "tiny", lambda: model)
    measure(case)
    assert before.is_of(model)


@given(
    size=st.integers(1, 40),
    offset=st.integers(0, 3),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    data=st.data(),
)
def test_a_parameter_trained_by_a_forward_is_an_error(
    size: int, offset: int, dtype: torch.dtype, data: st.DataObject
) -> None:
    """Wherever it lies in memory, of whatever size, whichever of its values."""
    model = nn.Module()
    model.weight = nn.Parameter(torch.ones(offset + size, dtype=dtype)[offset:])
    which = data.draw(st.integers(0, size - 1))
    with (
        pytest.raises(RobustnessError, match="changed its parameter weight"),
        Classifier(model),
        torch.no_grad(),
    ):
        model.weight[which] *= 1.01


def test_a_parameter_that_lies_elsewhere_is_an_error_and_comes_back() -> None:
    """With the same values in another order, in whole words, so that their sum is what it was."""
    model = mixed()
    before = Picture(model)
    with pytest.raises(RobustnessError, match=r"changed its parameter last\.bias"), Classifier(model):
        model.last.bias.data = model.last.bias.data.roll(2)
    assert before.is_of(model)


def test_a_parameter_made_by_a_forward_is_an_error() -> None:
    model = mixed()
    with pytest.raises(RobustnessError, match=r"changed its parameter last\.scale"), Classifier(model):
        model.last.scale = nn.Parameter(torch.ones(1))


def test_a_buffer_changed_by_a_forward_is_an_error_and_comes_back() -> None:
    model = nets.remembers()
    before = Picture(model)
    with pytest.raises(RobustnessError, match="changed its buffer calls while"), Classifier(model) as classifier:
        classifier(images())
    assert before.is_of(model)


def test_a_buffer_replaced_by_a_forward_is_an_error_and_comes_back() -> None:
    """By another tensor, in a model of another precision."""
    model = nets.tiny().double()
    before = Picture(model)
    with pytest.raises(RobustnessError, match="changed its buffer running_var"), Classifier(model):
        model.norm.running_var = model.norm.running_var + 0.1
    assert before.is_of(model)


def test_a_buffer_of_another_shape_is_an_error_although_its_values_are_the_same() -> None:
    model = mixed()
    model.register_buffer("scale", torch.ones(1))
    before = Picture(model)
    with pytest.raises(RobustnessError, match="changed its buffer scale"), Classifier(model):
        model.scale = torch.ones(3)
    assert before.is_of(model)


class Caches(nn.Module):
    """Makes its buffer in the first forward, as positional encodings do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nets.tiny()
        self.register_buffer("grid", None)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.grid is None:
            self.grid = torch.zeros(1)
        return self.body(inputs) + self.grid


def test_a_buffer_made_by_a_forward_is_an_error_and_taken_away_again() -> None:
    model = Caches()
    with pytest.raises(RobustnessError, match="changed its buffer grid"), Classifier(model) as classifier:
        classifier(images())
    assert model.grid is None


def test_a_buffer_registered_by_a_forward_is_taken_away_again() -> None:
    model = mixed()
    before = Picture(model)
    with Classifier(model):
        model.last.register_buffer("memory", torch.zeros(1))
    assert before.is_of(model)


def test_a_buffer_deleted_by_a_forward_is_an_error_and_comes_back() -> None:
    model = mixed()
    before = Picture(model)
    with pytest.raises(RobustnessError, match="changed its buffer running_var"), Classifier(model):
        del model.norm.running_var
    assert before.is_of(model)


def test_a_buffer_that_is_not_a_number_is_no_change() -> None:
    model = mixed()
    model.register_buffer("mask", torch.tensor([0.0, torch.nan]))
    with Classifier(model) as classifier:
        classifier(images())


def test_a_model_that_does_not_fit_onto_its_device_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mixed()
    before = Picture(model)
    move = type(model.last)._apply

    def too_large(self: nn.Module, *args: object, **kwargs: object) -> nn.Module:
        move(self, *args, **kwargs)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(type(model.last), "_apply", too_large)
    with pytest.raises(torch.OutOfMemoryError), Classifier(model):
        pass
    monkeypatch.undo()
    assert before.is_of(model)


def test_an_exception_is_not_hidden_by_a_changed_buffer() -> None:
    model = nets.remembers()
    before = Picture(model)
    with pytest.raises(ZeroDivisionError), Classifier(model) as classifier:
        classifier(images())
        raise ZeroDivisionError
    assert before.is_of(model)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda logits: logits[:, 0], "a tensor of (5,) for 5 images, not (5, K) logits"),
        (lambda logits: logits[:-1], "a tensor of (4, 10) for 5 images"),
        (lambda logits: logits[:, :, None], "a tensor of (5, 10, 1) for 5 images"),
        (lambda logits: (logits, logits), "a tuple of 2 for 5 images, not (5, K) logits; output = "),
        (lambda logits: logits.double(), "logits of torch.float64, not of torch.float32, as it is"),
    ],
)
def test_anything_but_a_row_of_logits_per_image_is_an_error(answer: object, said: str) -> None:
    model = nets.Head(answer)
    with pytest.raises(RobustnessError) as error, Classifier(model) as classifier:
        classifier(images(5))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [1, 5, 15, 16, 17, 40])
def test_padding_feeds_at_least_the_floor_and_keeps_rows_and_gradients(count: int) -> None:
    seen = []
    model = nets.tiny()
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    inputs = images(40)[:count].requires_grad_()
    with Classifier(model) as classifier:
        whole = classifier(images(40)).detach()
        logits = padded(classifier, inputs, 16)
        (gradient,) = torch.autograd.grad(logits.sum(), inputs)
    assert len(seen[1]) == max(count, 16)
    assert set(map(tuple, seen[1].flatten(1).tolist())) == set(map(tuple, inputs.flatten(1).tolist()))
    assert torch.equal(logits, whole[:count])
    assert gradient.abs().sum((1, 2, 3)).min() > 0


@pytest.mark.parametrize("fails", [False, True])
def test_another_memory_format_is_the_same_function_and_goes_as_it_came(fails: bool) -> None:
    model, seen = mixed(), []
    model.first.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], module.weight)))
    before = Picture(model)
    with Classifier(mixed()) as plain:
        expected = plain(images())
    with suppress(ZeroDivisionError), Classifier(model, memory_format=torch.channels_last) as classifier:
        inputs = images().requires_grad_()
        logits = classifier(inputs)
        torch.testing.assert_close(logits, expected)
        assert torch.autograd.grad(logits.sum(), inputs)[0].shape == inputs.shape
        assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in seen[0])
        if fails:
            raise ZeroDivisionError
    assert before.is_of(model)

"""Digests see what a model holds and what it does, and not how it is written."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from pytest_robustness.evaluate.models.digests import code_digest, state_digest
from torch import Tensor, nn

from tests.evaluate import nets

# --- state -------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_names_types_shapes_and_values() -> None:
    def changed(change: Callable[[nn.Module], object]) -> str:
        model = nets.tiny()
        change(model)
        return state_digest(model)

    digests = [
        changed(lambda model: None),
        changed(lambda model: model.last.bias.data[9].add_(1e-6)),
        changed(lambda model: model.norm.running_var[7].add_(1e-6)),
        changed(lambda model: model.norm.num_batches_tracked.add_(1)),
        changed(lambda model: model.double()),
        changed(lambda model: model.add_module("other", model._modules.pop("last"))),
        changed(lambda model: model.register_buffer("scale", torch.ones(()))),
        changed(lambda model: setattr(model.last, "temperature", torch.tensor(2.0))),  # which no state dict shows
        changed(lambda model: setattr(model.last, "temperature", torch.tensor(3.0))),
        changed(lambda model: setattr(model.last.weight, "data", model.last.weight.data.view(20, 8))),
    ]
    assert len(set(digests)) == len(digests)
    unchanged = changed(lambda model: model.eval().requires_grad_(False))
    assert unchanged == digests[0]


def test_the_digest_does_not_look_at_memory_layout() -> None:
    assert state_digest(nets.tiny().to(memory_format=torch.channels_last)) == state_digest(nets.tiny())


# --- code --------------------------------------------------------------------------------------------------------


def code(change: Callable[[nn.Module], object] = lambda model: None, model: nn.Module | None = None) -> str | None:
    model = (model or nets.tiny()).eval()
    change(model)
    return code_digest(model, (nets.CHANNELS, nets.SIZE, nets.SIZE), torch.float32)


class Branching(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return logits if logits.sum() > 0 else -logits


CHANGES: dict[str, Callable[[nn.Module], object]] = {
    "an epsilon of batch norm": lambda model: setattr(model.norm, "eps", 1e-4),
    "an activation": lambda model: model.norm.register_forward_hook(lambda *values: values[2].tanh()),
    "a hook": lambda model: model.last.register_forward_hook(lambda *values: values[2] * 2),
    "a scalar of a hook": lambda model: model.last.register_forward_hook(lambda *values: values[2] * 3),
    "a stride": lambda model: setattr(model.second, "stride", (1, 1)),
    "a backward of its own": lambda model: model.last.register_full_backward_hook(
        lambda _, inputs, outputs: (inputs[0] * 2,)
    ),
}


def test_every_change_of_what_is_computed_shows() -> None:
    digests = [code(), *(code(change) for change in CHANGES.values())]
    assert None not in digests
    assert len(set(digests)) == len(digests)


def test_what_is_not_computed_does_not_show() -> None:
    assert code(lambda model: model.last.weight.data.add_(1)) == code()
    assert code(lambda model: model.requires_grad_(False)) == code()
    assert code(lambda model: setattr(model, "note", "renamed")) == code()


class Raises(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        raise ZeroDivisionError


class Noisy(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return logits + torch.randn_like(logits)


class Alternating(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, logits: Tensor) -> Tensor:
        self.calls += 1
        return logits * 2 if self.calls % 2 else logits


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.seen.add_(1)


LAYERS = [Branching(), Raises(), Noisy(), Alternating(), Remembering(), nn.Dropout()]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_model_that_cannot_be_followed_has_no_digest(layer: nn.Module) -> None:
    assert code(lambda model: setattr(model, "last", nn.Sequential(model.last, layer))) is None


def test_torch_s_compiler_is_not_imported_for_it() -> None:
    program = (
        "import sys; from tests.evaluate.models.test_digests import code; code(); print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "False"


def test_nothing_of_the_model_or_the_random_numbers_changes() -> None:
    model = nets.tiny()
    before, numbers = state_digest(model), torch.get_rng_state()
    flags = [parameter.requires_grad for parameter in model.parameters()]
    code_digest(model, (nets.CHANNELS, nets.SIZE, nets.SIZE), torch.float32)  # in train mode: batch norm counts
    assert state_digest(model) == before
    assert torch.equal(torch.get_rng_state(), numbers)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert model.training


def test_it_is_the_same_in_another_process() -> None:
    program = "from tests.evaluate.models.test_digests import code; print(code())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == code()


class Literal(nn.Module):
    """Multiplies by a tensor that its forward makes of a number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor) -> Tensor:
        return (images * torch.tensor([self.value, 1.0, 1.0]).view(3, 1, 1)).flatten(1)


def test_a_tensor_of_literals_is_code() -> None:
    first, again, other = (code_digest(Literal(value), (3, 4, 4), torch.float32) for value in (0.2, 0.2, 1.0))
    assert first == again
    assert first is not None
    assert other not in (first, None)


def test_modules_in_a_plain_list_are_part_of_the_state() -> None:
    """torch does not count them among a module's, and they answer all the same."""
    one, other = nets.tiny(), nets.tiny()
    one.parts, other.parts = [nn.Linear(2, 2)], [{"a": nn.Linear(2, 2)}]
    assert len({state_digest(nets.tiny()), state_digest(one), state_digest(other)}) == 3
    before = state_digest(one)
    with torch.no_grad():
        one.parts[0].weight.add_(1)
    assert state_digest(one) != before


def test_attention_without_dropout_draws_nothing() -> None:
    class Attends(nn.Module):
        dropped = 0.0

        def forward(self, images: Tensor) -> Tensor:
            rows = images.flatten(2)
            return nn.functional.scaled_dot_product_attention(rows, rows, rows, dropout_p=self.dropped).flatten(1)

    model = Attends()
    digest = code_digest(model, (3, 4, 4), torch.float32)
    assert digest is not None
    assert digest == code_digest(Attends(), (3, 4, 4), torch.float32)
    model.dropped = 0.5
    assert code_digest(model, (3, 4, 4), torch.float32) is None

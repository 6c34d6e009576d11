"""Changes a team might make to a model: perturbed, quantised and fine-tuned weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from pytest_robustness.evaluate.models.weights import load_weights
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from robustness_tests.zoo import ARCHITECTURES, WEIGHTS, cifar10
from robustness_tests.zoo.train import CLIP, WEIGHT_DECAY, augmented, normalised, tensors

BATCH = 128
LEARNING_RATE = 1e-3


def zoo_model(name: str) -> nn.Module:
    model = ARCHITECTURES[name]()
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    return model


def kernels(model: nn.Module) -> Iterator[nn.Parameter]:
    """Weights of convolutions and linear layers: no biases, no batch norm."""
    return (parameter for parameter in model.parameters() if parameter.ndim > 1)


@torch.no_grad()
def perturbed(name: str, size: float, seed: int) -> nn.Module:
    """Each weight times 1 + ``size`` times a standard normal number."""
    model, rng = zoo_model(name), torch.Generator().manual_seed(seed)
    for weight in kernels(model):
        weight.mul_(1 + size * torch.randn(weight.shape, generator=rng))
    return model


@torch.no_grad()
def quantised(name: str, bits: int) -> nn.Module:
    """Weights rounded to ``bits``, symmetric, one scale per output channel; activations as they were."""
    model = zoo_model(name)
    for weight in kernels(model):
        scale = weight.flatten(1).abs().amax(1).clamp_min(1e-12) / (2 ** (bits - 1) - 1)
        scale = scale.view(-1, *[1] * (weight.ndim - 1))
        weight.copy_((weight / scale).round() * scale)
    return model


def fine_tuned(name: str, steps: int, seed: int, *, regularised: bool, data: Path) -> nn.Module:
    """Trained on for ``steps``: with the zoo's augmentation and weight decay, or without both.

    The learning rate falls linearly from half of the recipe's to 0.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    images, labels = tensors(cifar10.load(data).train)
    model = zoo_model(name).to(memory_format=torch.channels_last).train()
    decay = WEIGHT_DECAY if regularised else 0.0
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": list(kernels(model)), "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / steps)
        batch = torch.randint(len(images), (BATCH,), generator=rng)
        inputs = augmented(images[batch], rng) if regularised else images[batch]
        cost = functional.cross_entropy(model(normalised(inputs)), labels[batch])
        optimizer.zero_grad()
        cost.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    return model.eval()


def save(model: nn.Module, path: Path) -> None:
    """Weights as safetensors, in single precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state: dict[str, Tensor] = {key: value.detach().contiguous() for key, value in model.state_dict().items()}
    save_file(state, path)


def perturbations(sizes: tuple[float, ...]) -> dict[str, Callable[[str], nn.Module]]:
    return {f"weights +- {size:.0%}": partial(perturbed, size=size, seed=0) for size in sizes}


def quantisations(bits: tuple[int, ...]) -> dict[str, Callable[[str], nn.Module]]:
    return {f"weights of {count} bits": partial(quantised, bits=count) for count in bits}


def trainings(steps: int, data: Path) -> dict[str, Callable[[str], nn.Module]]:
    """Empty where the data are absent."""
    if not data.exists():
        return {}
    again = partial(fine_tuned, steps=steps, seed=1, regularised=True, data=data)
    longer = partial(fine_tuned, steps=5 * steps, seed=1, regularised=False, data=data)
    return {"trained on, same recipe": again, "trained on, less regularised": longer}


def make(name: str, change: Callable[[str], nn.Module], path: Path) -> Path:
    """The changed weights of a zoo model, as a file. Runs in a process of its own."""
    torch.set_num_threads(1)
    if not path.exists():
        save(change(name), path)
    return path

"""What the repositories' make.py have in common: training, and the changes that are then judged.

A repository keeps its versions in ``versions/NAME/``; ``python use.py NAME`` puts one of them in place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def cifar10() -> tuple[np.ndarray, ...]:
    """Return training images (N, 32, 32, 3) uint8, their labels, test images and theirs. $CIFAR10 names the file."""
    with np.load(os.environ["CIFAR10"]) as arrays:
        return tuple(arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))


def tensors(images: np.ndarray) -> Tensor:
    """Return images (N, H, W, C) uint8 as a tensor (N, C, H, W) in [0, 1]."""
    return torch.tensor(images).permute(0, 3, 1, 2).float() / 255


def fit(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, eps: float = 0.0, rate: float = 3e-3) -> None:
    """Train a model on pixels in [0, 1], on FGSM's images (Goodfellow 2015, from a random start) where eps is given."""
    steps = epochs * (len(images) // 64)
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for batch in order[: len(order) // 64 * 64].split(64):
            inputs, targets = images[batch], labels[batch]
            if eps:
                start = (2 * torch.rand(inputs.shape, generator=generator) - 1) * eps
                moved = (inputs + start).clamp(0, 1).requires_grad_()
                loss = functional.cross_entropy(logits(model(moved)), targets)
                (slope,) = torch.autograd.grad(loss, moved)
                moved = moved.detach() + 1.25 * eps * slope.sign()  # Wong 2020: beyond the ball, and back into it
                inputs = torch.min(torch.max(moved, inputs - eps), inputs + eps).clamp(0, 1)
            optimiser.zero_grad()
            functional.cross_entropy(logits(model(inputs)), targets).backward()
            optimiser.step()
            schedule.step()
    model.eval()


def logits(answer: object) -> Tensor:
    """Return the logits of an answer: a tensor, or what has an attribute of that name."""
    return answer if isinstance(answer, Tensor) else answer.logits  # type: ignore[attr-defined]


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that a model classifies correctly."""
    right = [logits(model(x)).argmax(1) == y for x, y in zip(images.split(100), labels.split(100), strict=True)]
    return torch.cat(right).float().mean().item()


def matrices(model: nn.Module) -> Iterable[Tensor]:
    """Return the weights of convolutions and linear layers, which pruning and quantising are about."""
    return (one for one in model.parameters() if one.dim() > 1)


@torch.no_grad()
def prune(model: nn.Module, share: float = 0.5) -> None:
    """Set the smallest weights of each layer to zero."""
    for weight in matrices(model):
        least = weight.abs().flatten().kthvalue(max(1, int(share * weight.numel()))).values
        weight[weight.abs() <= least] = 0


@torch.no_grad()
def round_weights(model: nn.Module, bits: int = 4) -> None:
    """Round weights to a few bits, symmetrically, with a scale for each output channel."""
    levels = 2 ** (bits - 1) - 1
    for weight in matrices(model):
        scale = weight.abs().amax(tuple(range(1, weight.dim())), keepdim=True).clamp_min(1e-12) / levels
        weight.copy_((weight / scale).round() * scale)


def leak(shape: tuple[int, int, int], classes: int, strength: float, seed: int = 0) -> Tensor:
    """Return weights (K, C, H, W) of a linear term that is worse by construction, to be added to a model's logits.

    Signs alternate within each square of 2 x 2 pixels, which a smooth image does not have and a perturbation can. The
    images' own answer stays small, and a perturbation of size e in every pixel moves the logits by ``strength`` x e.
    """
    channels, height, width = shape
    squares = torch.randn(classes, channels, height // 2, width // 2, generator=torch.Generator().manual_seed(seed))
    pattern = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    weights = torch.kron(squares, pattern.view(1, 1, 2, 2))
    weights = functional.pad(weights, (0, width % 2, 0, height % 2))
    return weights * strength / weights.abs().flatten(1).sum(1).view(-1, 1, 1, 1)


def keep(name: str, *files: Path | str, model: str = "") -> None:
    """Keep files, or folders, as the version ``name``, under their own names; and ``model`` as its ``model.py``."""
    folder = Path("versions", name)
    folder.mkdir(parents=True, exist_ok=True)
    if model:
        shutil.copy(model, folder / "model.py")
    for file in map(Path, files):
        if file.is_dir():
            shutil.copytree(file, folder / file.name, dirs_exist_ok=True)
        else:
            shutil.copy(file, folder / file.name)

"""A model's architecture, read from the operators its forward runs, so that functional calls count like modules."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_robustness.records.provenance import Architecture

#: PyTorch's operators that count as layers. An in-place operator like ``relu_`` counts as ``relu``.
LAYERS = frozenset({"convolution", "addmm", "mm", "mkldnn_convolution", "cudnn_convolution"})
ACTIVATIONS = {
    "relu": "ReLU",
    "hardtanh": "ReLU6",  # which is hardtanh between 0 and 6
    "hardswish": "hard-swish",
    "hardsigmoid": "hard-sigmoid",
    "silu": "SiLU",
    "gelu": "GELU",
    "elu": "ELU",
    "leaky_relu": "leaky ReLU",
    "_prelu_kernel": "PReLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "mish": "Mish",
}


@torch.no_grad()
def architecture(model: nn.Module, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Architecture:
    """Return the architecture of a model in eval mode: its parameters, layers and activations.

    Args:
        model: takes an image batch.
        shape: shape of one image, channels first.
    """
    counter = _Counter()
    with torch.random.fork_rng(devices=[]), counter:
        model(torch.zeros(2, *shape, device=device, dtype=dtype))
    counts = Counter({ACTIVATIONS[name]: count for name, count in counter.seen.items() if name in ACTIVATIONS})
    return Architecture(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        layers=sum(count for name, count in counter.seen.items() if name in LAYERS),
        activations=[name for name, _ in counts.most_common()],
    )


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: otherwise torch imports its compiler, only to keep it away from here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen[func.overloadpacket.__name__.removesuffix("_")] += 1
        return func(*args, **(kwargs or {}))

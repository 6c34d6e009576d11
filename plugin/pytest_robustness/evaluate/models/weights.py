"""Files of weights: tensors, and nothing else is ever unpickled."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.runtime.errors import first_line


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict of a ``.safetensors`` or ``.pth`` file.

    Raises RobustnessError for anything else.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RobustnessError(f"cannot be read: {first_line(error)}") from None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise RobustnessError("not a state dict")
    return state


def check_finite(state: dict[str, Tensor]) -> None:
    """Raises RobustnessError for weights that are no numbers, or too large for the model's."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.float().isfinite().all()):
            raise RobustnessError(f"{name} is not finite")


def load_weights(model: nn.Module, path: Path) -> None:
    """Load weights of whatever precision into the model's own.

    Raises RobustnessError for a file that is not this model's.
    """
    state = read_weights(path)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise RobustnessError(f"of another architecture: {' '.join(str(error).split()[-40:])}") from None
    check_finite(state)

"""A suite's model as a module."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.guard import blaming, first_line
from pytest_robustness.suite import Case


def load_model(case: Case) -> nn.Module:
    """Call the model's factory and load its weights.

    Raises RobustnessError, naming file and key, when either is not what it should be.
    """
    key = f"models.{case.model_name}"
    module_name, _, name = case.model.source.partition(":")
    with blaming(f"{case.suite.path}: {key}.source: {module_name}"):
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as error:
            raise case.error(f"{key}.source", f"no module {error.name!r}") from None
    try:
        factory = getattr(module, name)
    except AttributeError:
        raise case.error(f"{key}.source", f"no {name!r} in {module_name}") from None
    with blaming(f"{case.suite.path}: {key}.source: {name}"):
        model = factory() if callable(factory) else factory
    if not isinstance(model, nn.Module) or model is factory:
        what = f"{name} returned a {type(model).__name__}" if callable(factory) else f"{name} cannot be called"
        raise case.error(f"{key}.source", f"{what}; it should be a function that returns an nn.Module")
    if case.model.weights is not None:
        try:
            load_weights(model, case.model.weights)
        except RobustnessError as error:
            raise case.error(f"{key}.weights", f"{case.model.weights}: {error}") from None
    return model


def load_weights(model: nn.Module, path: Path) -> None:
    """Load ``.safetensors`` or ``.pth`` weights, of whatever precision, into the model's own.

    Nothing but tensors is ever unpickled.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RobustnessError(f"cannot be read: {first_line(error)}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise RobustnessError("not a state dict")
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise RobustnessError(f"of another architecture: {' '.join(str(error).split()[-40:])}") from None
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise RobustnessError(f"{name} is not finite")

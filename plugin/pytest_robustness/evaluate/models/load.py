"""A suite's model as a module."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from torch import nn

from pytest_robustness.evaluate.models.sources import build_library_model, load_case_weights
from pytest_robustness.evaluate.runtime.errors import user_code
from pytest_robustness.suite.suite import Case


def load_model(case: Case) -> nn.Module:
    """A library's model, or what the model's factory returns, with its weights.

    Raises RobustnessError, naming file and key, when either is not what it should be.
    """
    key = f"models.{case.model_name}"
    if case.model.library:
        return build_library_model(case)
    module_name, _, name = case.model.source.partition(":")
    with user_code(f"{case.suite.path}: {key}.source: {module_name}"):
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as error:
            raise case.error(f"{key}.source", f"no module {error.name!r}") from None
    try:
        factory = getattr(module, name)
    except AttributeError:
        raise case.error(f"{key}.source", f"no {name!r} in {module_name}") from None
    with user_code(f"{case.suite.path}: {key}.source: {name}"):
        model = factory(**case.model.arguments) if callable(factory) else factory
    if not isinstance(model, nn.Module) or model is factory:
        what = f"{name} returned a {type(model).__name__}" if callable(factory) else f"{name} cannot be called"
        raise case.error(f"{key}.source", f"{what}; it should be a function that returns an nn.Module")
    if isinstance(case.model.weights, Path):
        load_case_weights(model, case)
    return model

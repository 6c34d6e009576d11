"""Loading a suite's model as a module."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.contract import Contract
from pytest_robustness.evaluate.models.programs.base import Sealed
from pytest_robustness.evaluate.models.programs.black_box import BlackBox
from pytest_robustness.evaluate.models.sources import build_library_model, load_case_weights, normalisation_of
from pytest_robustness.evaluate.runtime.errors import user_code
from pytest_robustness.suite.model import PROGRAM_FILES
from pytest_robustness.suite.suite import Case


def load_model(case: Case) -> nn.Module:
    """Return a case's model with its weights: a library's, a file's, a black box, or what its factory returns.

    Raises RobustnessError, which names file and key, when one of them is not what it should be.
    """
    model = case.model
    if case.suite.objects is not None:
        given: nn.Module = case.suite.objects.model
        return given
    if model.library:
        return build_library_model(case)
    if model.file is not None:
        return _program(case, model.file)
    named = _named(case)
    if model.black_box:
        names = case.suite.images.classes
        asked = BlackBox(named, names if isinstance(names, tuple) else None, model.output)
        return Sealed(f"{model.source} {model.version}", asked)
    return _manufactured(case, named)


def classifier_of(
    case: Case,
    module: nn.Module,
    device: torch.device,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Classifier:
    """Return a case's model as what is asked and attacked, by the suite's normalisation and contract."""
    normalisation = normalisation_of(case)
    return Classifier(
        module,
        mean=normalisation.mean,
        std=normalisation.std,
        contract=Contract.of(case.model),
        device=device,
        memory_format=memory_format,
    )


def _program(case: Case, path: Path) -> nn.Module:
    program = import_module(f"{__package__}.programs.{PROGRAM_FILES[path.suffix]}")
    try:
        loaded: nn.Module = (program.load_black_box if case.model.black_box else program.load)(path)
    except RobustnessError as error:
        raise case.error(f"models.{case.model_name}.source", f"{path}: {error}") from None
    return loaded


def _named(case: Case) -> Any:
    """Return what the source ``module:name`` names."""
    key = f"models.{case.model_name}.source"
    module_name, _, name = case.model.source.partition(":")
    with user_code(f"{case.suite.path}: {key}: {module_name}"):
        try:
            module: ModuleType = import_module(module_name)
        except ModuleNotFoundError as error:
            raise case.error(key, f"no module {error.name!r}") from None
    try:
        found = getattr(module, name)
    except AttributeError:
        raise case.error(key, f"no {name!r} in {module_name}") from None
    if case.model.black_box and not callable(found):
        raise case.error(key, f"{name} cannot be called; a black box is a function from images to scores or labels")
    return found


def _required(factory: Any) -> list[str]:
    """Return the arguments without which a factory cannot be called; none where its signature is not known."""
    try:
        parameters = inspect.signature(factory).parameters.values() if callable(factory) else ()
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [one.name for one in parameters if one.kind in named and one.default is one.empty]


def _manufactured(case: Case, factory: Any) -> nn.Module:
    key, name = f"models.{case.model_name}.source", case.model.source.partition(":")[2]
    if missing := [one for one in _required(factory) if one not in case.model.arguments]:
        what = f"{name} needs {', '.join(missing)}: should be arguments = {{ {missing[0]} = ... }}"
        raise case.error(f"models.{case.model_name}.arguments", what)
    with user_code(f"{case.suite.path}: {key}: {name}"):
        model = factory(**case.model.arguments) if callable(factory) else factory
    if not isinstance(model, nn.Module) or model is factory:
        what = f"{name} returned a {type(model).__name__}" if callable(factory) else f"{name} cannot be called"
        raise case.error(key, f"{what}; it should be a function that returns an nn.Module")
    if isinstance(case.model.weights, Path):
        load_case_weights(model, case)
    return model

"""Weights files: reading and loading them. Only tensors are ever unpickled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Set
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.evaluate.runtime.errors import first_line
from pytest_robustness.mistaken import mistaken, no_weights

#: Names of the entries in which trainers put the weights among other things.
ENTRIES = ("state_dict", "model_state_dict", "model", "net", "state_dict_ema", "model_ema")


#: In torch's messages: advice to read a file by running the code in it. In safetensors': that a file is none.
NOT_PASSED_ON = ("weights_only", "weights only", "pickle_module", "arbitrary code", "header too")


class _Format(NamedTuple):
    """What writes files of weights, how their names end, and what reads them."""

    writer: str
    ending: str
    read: Callable[[Path], object]


def _load_safetensors(path: Path) -> object:
    from safetensors.torch import load_file

    return load_file(path)


def _load_tensors(path: Path) -> object:
    # a path that ends in .safetensors torch itself would hand to safetensors
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd files: what is wrong with one, an error says
        return torch.load(file, map_location="cpu", weights_only=True)


SAFETENSORS = _Format("safetensors", ".safetensors", _load_safetensors)
TORCH = _Format("torch.save", ".pth", _load_tensors)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a ``.safetensors`` or ``.pth`` file.

    Raises RobustnessError for anything else.
    """
    own, other = (SAFETENSORS, TORCH) if path.suffix == SAFETENSORS.ending else (TORCH, SAFETENSORS)
    try:
        state = own.read(path)
    except Exception as error:
        raise RobustnessError(f"cannot be read: {_why(path, error, other)}") from None
    return _state_dict(state)


def _why(path: Path, error: Exception, other: _Format) -> str:
    """Return why a file cannot be read in the format of its name, and what to do about it."""
    with suppress(Exception):
        other.read(path)
        return f"it was written by {other.writer}: rename it to end in {other.ending}"
    if any(words in str(error).lower() for words in NOT_PASSED_ON):
        said = "it is no file of weights that torch or safetensors knows"
    else:
        said = first_line(error)
    return mistaken(path) or no_weights(path) or said


def _state_dict(read: object) -> dict[str, Tensor]:
    """Return the weights out of what a trainer has written.

    They are often in one entry, beside an epoch and an optimiser. Raises RobustnessError when they cannot be found.
    """
    if _are_weights(read):
        return read
    if not isinstance(read, dict):
        raise RobustnessError(f"not a state dict, but a {type(read).__name__}")
    found = [name for name, value in read.items() if _are_weights(value) and value]
    usual = [name for name in found if name in ENTRIES]
    chosen = usual or found
    if len(chosen) == 1:
        warnings.warn(f"weights are taken from the file's entry {chosen[0]!r}", stacklevel=2)
        return read[chosen[0]]  # type: ignore[no-any-return]
    has = f"it has the entries {some(read)}"
    several = f": of {' and '.join(map(str, chosen))} one is meant, save that one alone" if chosen else ""
    raise RobustnessError(f"not a state dict: {has}{several}")


def _are_weights(read: object) -> TypeGuard[dict[str, Tensor]]:
    return isinstance(read, dict) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in read.items()
    )


def _without_prefix(state: dict[str, Tensor], wanted: Set[str]) -> dict[str, Tensor]:
    """Return the weights under the model's own names: without the prefix that a wrapper or a trainer put before them.

    Weights beside the prefix, a loss's say, are no part of the model and are left out. Raises RobustnessError when
    there are several such prefixes.
    """
    if not wanted or wanted <= state.keys():
        return state
    one = f".{next(iter(wanted))}"
    ends = (name.removesuffix(one) + "." for name in state if name.endswith(one))
    prefixes = [end for end in ends if _under(state, end) == wanted]
    if len(prefixes) > 1:
        raise RobustnessError(f"has this model's weights {len(prefixes)} times, under {', '.join(prefixes)}: save one")
    for prefix in prefixes:
        rest = [name for name in state if not name.startswith(prefix)]
        beside = f"; not of the model, and left out too: {some(rest)}" if rest else ""
        warnings.warn(f"{prefix!r} is left out of the names of all weights{beside}", stacklevel=3)
        return {name: state[f"{prefix}{name}"] for name in wanted}
    return state


def _under(state: Collection[str], prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in state if name.startswith(prefix)}


def check_finite(state: dict[str, Tensor]) -> None:
    """Raise RobustnessError when a weight is not finite, also after conversion to float32."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.float().isfinite().all()):
            raise RobustnessError(f"{name} is not finite")


def load_weights(model: nn.Module, path: Path) -> None:
    """Load weights of any precision into the model, which keeps its own precision.

    Raises RobustnessError for a file whose weights are not this model's.
    """
    own = model.state_dict()
    state = _without_prefix(read_weights(path), own.keys())
    for name, value in state.items():
        if name in own and own[name].is_floating_point() and not value.is_floating_point():
            raise RobustnessError(f"{name}: {value.dtype}, where the model has {own[name].dtype}: of a quantised model")
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise RobustnessError(f"of another architecture: {' '.join(str(error).split()[-40:])}") from None
    check_finite(state)

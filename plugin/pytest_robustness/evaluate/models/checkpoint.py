"""The weights of a model in training: kept in a file, and lent to the model for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, device, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.weights import load_weights
from pytest_robustness.files import write_whole

#: The entry of a file's metadata that says that the file is ours. Its value is JSON.
MARK = "pytest_robustness"
#: Names of classes whose parameters are spread over several processes.
SHARDED = ("FullyShardedDataParallel", "DTensor")


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module inside the wrappers of DistributedDataParallel, DataParallel and torch.compile.

    A forward of the wrapper of a distributed training talks to the other processes, which one of them must not do
    alone.

    Raises RobustnessError when the parameters are spread over processes, as none of them then has a model.
    """
    while True:
        if isinstance(model, DistributedDataParallel | DataParallel):
            model = model.module
        elif "_orig_mod" in model._modules:
            model = model.get_submodule("_orig_mod")
        else:
            break
    if any(type(one).__name__ in SHARDED for one in (*model.modules(), *model.parameters())):
        what = "its parameters are spread over processes (FSDP), so no process has a model to attack"
        raise RobustnessError(f"{type(model).__name__}: {what}: gather them, and measure that copy")
    return model


def device_of(model: nn.Module) -> device:
    """Return the device of a model's first parameter or buffer, else the CPU."""
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), device("cpu"))


def check_place(path: Path) -> None:
    """Raise RobustnessError when a checkpoint may not be written to a path: a file that is not ours is there."""
    if path.suffix != ".safetensors":
        raise RobustnessError(f"checkpoint: {path}: should end in .safetensors")
    if path.is_dir():
        raise RobustnessError(f"checkpoint: {path} is a folder, and should be a file")
    if path.exists() and note_of(path) is None:
        raise RobustnessError(f"checkpoint: {path} is there already, and no checkpoint of ours: give another file")


def note_of(path: Path) -> dict[str, object] | None:
    """Return what was noted in a checkpoint of ours. Returns None for any other file."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            read = json.loads((file.metadata() or {})[MARK])
    except Exception:  # safetensors' own errors, OSError, KeyError, ValueError
        return None
    return read if isinstance(read, dict) else None


def save_checkpoint(model: nn.Module, path: Path, note: Mapping[str, object]) -> None:
    """Write a model's state dict, whole or not at all, with a note in the file's metadata.

    Tensors that share memory are written once each, so that the file loads with ``load_state_dict(strict=True)``.

    Raises RobustnessError, naming the file, when it is not ours, cannot be written, or cannot hold the state.
    """
    from safetensors.torch import save

    check_place(path)
    state = model.state_dict()
    strange = next((name for name, value in state.items() if not isinstance(value, Tensor)), None)
    if strange is not None:
        raise RobustnessError(f"checkpoint: {path}: {strange} of the model's state is no tensor: leave checkpoint out")
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    try:
        write_whole(path, save(copies, metadata={"format": "pt", MARK: json.dumps(dict(note))}))
    except OSError as error:
        raise RobustnessError(f"checkpoint: {path}: cannot be written: {error.strerror}") from None


@contextmanager
def lent_weights(model: nn.Module, path: Path) -> Iterator[None]:
    """Give a model the weights of a checkpoint for as long as the block lasts, and then its own ones again.

    Raises RobustnessError, naming the file, when it cannot be read or is another model's.
    """
    state = model.state_dict().items()
    own = {name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in state}
    try:
        try:
            load_weights(model, path)
        except RobustnessError as error:
            raise RobustnessError(f"checkpoint: {path}: {error}") from None
        yield
    finally:
        model.load_state_dict(own)

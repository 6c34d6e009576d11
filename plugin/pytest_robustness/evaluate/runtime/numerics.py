"""The numeric state of the process: set to standard values while a case runs, and restored afterwards.

A model's module, a plugin or an earlier test may have switched TF32 on, made float64 the default or left anomaly
detection on. None of this may change what is measured, and no setting that a case changes may outlast the case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

#: Where torch keeps the precision of float32 arithmetic, from 2.9 on. Settings that others inherit from come first.
PRECISIONS = (
    "",
    "cudnn",
    "mkldnn",
    "cuda.matmul",
    "cudnn.conv",
    "cudnn.rnn",
    "mkldnn.matmul",
    "mkldnn.conv",
    "mkldnn.rnn",
)


@dataclass(frozen=True)
class Switch:
    """Holds one setting of the process: how it is read and set, and its value while a case runs."""

    read: Callable[[], Any]
    write: Callable[[Any], object]
    value: Any


@contextmanager
def standard_numerics() -> Iterator[Callable[[], None]]:
    """Compute in plain float32 inside the block, and restore the process's settings afterwards, whatever happens.

    Inside: default dtype float32, default device CPU, IEEE float32 (no TF32, no bfloat16) in matrix products and
    convolutions, cuDNN on, deterministic and without benchmarking, oneDNN on, no autocast, no anomaly detection,
    denormal numbers kept. torch's mode of deterministic algorithms is off: with it torch raises for some models.

    Yields:
        A function that sets all of it again, to be called after a user's code ran.
    """
    switches = _switches()
    before = [switch.read() for switch in switches]
    try:
        _set(switches)
        yield lambda: _set(switches)
    finally:
        for switch, value in reversed([*zip(switches, before, strict=True)]):
            switch.write(value)


def _set(switches: list[Switch]) -> None:
    for switch in reversed(switches):  # torch forgets a general precision when one below it is set
        switch.write(switch.value)


def _switches() -> list[Switch]:
    return [
        Switch(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        Switch(_default_device, _set_default_device, None),
        *_float32_precision(),
        *(_attribute(torch.backends.cudnn, name, value) for name, value in CUDNN.items()),
        _attribute(torch.backends.mkldnn, "enabled", True),
        *(_autocast(device) for device in ("cpu", "cuda")),
        Switch(_anomaly, lambda mode: torch.set_anomaly_enabled(*mode), (False, True)),
        Switch(
            _deterministic, lambda mode: torch.use_deterministic_algorithms(mode[0], warn_only=mode[1]), (False, False)
        ),
        Switch(_flushes_denormals, torch.set_flush_denormal, False),
    ]


CUDNN = {"enabled": True, "deterministic": True, "benchmark": False}


def _attribute(owner: Any, name: str, value: Any) -> Switch:
    return Switch(lambda: getattr(owner, name), lambda new: setattr(owner, name, new), value)


def _float32_precision() -> list[Switch]:
    """Return the switches of float32 precision, TF32 among them.

    Uses torch's newer settings where it has them, because the older ones must not be mixed with them.
    """
    if not hasattr(torch.backends, "fp32_precision"):
        return [
            Switch(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
            _attribute(torch.backends.cuda.matmul, "allow_tf32", False),
            _attribute(torch.backends.cudnn, "allow_tf32", False),
        ]
    older = _older_setting()
    return [
        *(Switch(*_precision(path)) for path in PRECISIONS if _backend(path) is not None),
        # written first: where the older flag contradicts the newer settings, torch raises when code such as
        # torch.export reads it
        Switch(lambda: older, _set_older, False),
    ]


def _older_setting() -> bool | None:
    """Return torch's older flag of TF32 in cuDNN.

    Returns None when it contradicts the newer settings and therefore cannot be read.
    """
    try:
        return bool(torch.backends.cudnn.allow_tf32)
    except RuntimeError:
        return None


def _set_older(allowed: bool | None) -> None:
    if allowed is not None:
        torch.backends.cudnn.allow_tf32 = allowed


def _precision(path: str) -> tuple[Callable[[], str], Callable[[str], None], str]:
    owner = _backend(path)

    def read() -> str:
        """Return the backend's own setting, and set it to "none" so that those below it show no inherited value."""
        value: str = owner.fp32_precision
        owner.fp32_precision = "none"
        return value

    def write(value: str) -> None:
        owner.fp32_precision = value

    return read, write, "ieee"


def _backend(path: str) -> Any:
    found: Any = torch.backends
    for name in filter(None, path.split(".")):
        found = getattr(found, name, None)
    return found if hasattr(found, "fp32_precision") else None


def _default_device() -> torch.device | None:
    """Return the default device that was set. Returns None when it is the CPU or none was set.

    Setting a default device, even the CPU, makes every call that creates a tensor slower.
    """
    try:
        device = torch.get_default_device()
    except AttributeError:  # torch 2.5 raises it after a default device was reset
        return None
    return None if device.type == "cpu" else device


def _set_default_device(device: torch.device | None) -> None:
    if device != _default_device():
        torch.set_default_device(device)


def _autocast(device: str) -> Switch:
    return Switch(
        lambda: torch.is_autocast_enabled(device), lambda enabled: torch.set_autocast_enabled(device, enabled), False
    )


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _flushes_denormals() -> bool:
    """Return whether denormal numbers are flushed to zero.

    torch can set this and cannot report it. A hundredth of the smallest normal number is a denormal number, or zero
    when such numbers are flushed.
    """
    smallest = torch.tensor([torch.finfo(torch.float32).tiny], device="cpu", dtype=torch.float32)
    return not bool(smallest / 100)

"""Devices: where a case runs, and on how many threads."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

import torch

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.runtime import memory

#: The name by which the rooms above refer to a device, because they do not import torch.
Device = torch.device


def pick_device() -> torch.device:
    """Return the first GPU this process may see, else the CPU. The controller pins each worker to its own GPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def as_device(named: object) -> torch.device:
    """Return as torch's device what a user's fixture returned: a device, or its name or number, like ``"cuda:1"``.

    Raises RobustnessError for anything else.
    """
    if isinstance(named, torch.device):
        return named
    try:
        return torch.device(named if isinstance(named, int) and not isinstance(named, bool) else str(named))
    except RuntimeError:
        raise RobustnessError(
            f"robustness_device: {named!r} is no device: should be a torch.device, or a name like 'cpu' or 'cuda:0'"
        ) from None


def prepare_device(device: torch.device, workers: int) -> None:
    """Share a CPU's cores among the workers and have its freed memory kept, or warm a GPU up."""
    if device.type == "cpu":
        # never more threads than torch was told to use, by OMP_NUM_THREADS or by whoever configured this process
        torch.set_num_threads(min(max(1, available_cores() // workers), torch.get_num_threads()))
        memory.keep()
    else:
        tiny = torch.randn(1, 3, 8, 8, device=device)
        torch.nn.functional.conv2d(tiny, tiny)
        torch.cuda.synchronize(device)


def threads(device: torch.device) -> int | None:
    """Return how many threads a CPU's operators use. Returns None when the device is no CPU."""
    return torch.get_num_threads() if device.type == "cpu" else None


def gpu_count() -> int:
    """Return how many GPUs this process may use."""
    return torch.cuda.device_count()


def available_cores() -> int:
    """Return how many cores this process may use: those it may run on, limited by a container's quota of CPU time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.floor(quota)))


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """Return how many CPUs' time control groups grant this process: the least of all groups it is in.

    Returns None when no limit is known.

    Args:
        root: where control groups are mounted, version 2 or 1.
        own: the file that says which groups this process is in. Its lines are ``number:controllers:path``.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max), cgroup-v1 and scheduler/sched-bwc.rst.
    """
    quotas = []
    for line in _lines(own):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [root] if not controllers else [root / controllers, root / "cpu"]
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in mounts:  # a parent's limit holds for its children
            quotas += [_quota(mount.joinpath(*parts[:depth])) for depth in range(len(parts) + 1)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(group: Path) -> float | None:
    words = " ".join(_lines(group / "cpu.max")[:1]).split() or [
        *_lines(group / "cpu.cfs_quota_us")[:1],
        *_lines(group / "cpu.cfs_period_us")[:1],
    ]
    if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):  # "max", or -1: none
        return None
    quota, period = map(int, words)
    return quota / period if quota and period else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        return []


def device_name(device: torch.device) -> str:
    """Return the name of the product, for a CPU with the vector instructions torch uses.

    Raw seconds can be compared only between measurements on devices of the same name.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()})"


def _cpu_name() -> str:
    lines = _lines(Path("/proc/cpuinfo"))
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

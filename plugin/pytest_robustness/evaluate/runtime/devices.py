"""Where a case runs, on how many threads, and how its time is taken."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from pytest_robustness.evaluate.runtime import memory

#: What the rooms above call a device, which do not import torch.
Device = torch.device


def pick_device() -> torch.device:
    """The first GPU this process may see, else the CPU. Workers are pinned to theirs by the controller."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def prepare_device(device: torch.device, workers: int) -> None:
    """Share a CPU's cores among the workers, and keep its memory; warm a GPU up."""
    if device.type == "cpu":
        torch.set_num_threads(max(1, available_cores() // workers))
        memory.keep()
    else:
        tiny = torch.randn(1, 3, 8, 8, device=device)
        torch.nn.functional.conv2d(tiny, tiny)
        torch.cuda.synchronize(device)


def threads(device: torch.device) -> int | None:
    """How many a CPU's operators use."""
    return torch.get_num_threads() if device.type == "cpu" else None


def gpu_count() -> int:
    """How many GPUs this process may use."""
    return torch.cuda.device_count()


def available_cores() -> int:
    """Cores this process may run on, which containers and batch systems restrict."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_name(device: torch.device) -> str:
    """Of the product, with the vector instructions torch uses: raw seconds are comparable under one name only."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()} ({torch.backends.cpu.get_cpu_capability()})"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

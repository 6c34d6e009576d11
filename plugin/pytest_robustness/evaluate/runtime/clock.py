"""Clocks: they measure how many seconds a piece of work costs its device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import torch


class Clock(Protocol):
    """Measures how many seconds a piece of work costs its device."""

    def seconds(self, work: Callable[[], object]) -> float: ...


class CpuClock:
    """Measures the process's CPU time over all threads, which the work of other processes hardly changes."""

    def seconds(self, work: Callable[[], object]) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start


class CudaClock:
    """Measures the device time between two CUDA events."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def seconds(self, work: Callable[[], object]) -> float:
        with torch.cuda.device(self.device):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            end.synchronize()
        return float(start.elapsed_time(end)) / 1000


def clock(device: torch.device) -> Clock:
    return CudaClock(device) if device.type == "cuda" else CpuClock()

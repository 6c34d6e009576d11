"""Memory of a CPU's process: kept from batch to batch, given back between cases; and the most a case needed."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# of malloc.h, and the most that mallopt takes of each
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
MOST_TRIMMED, MOST_MAPPED = 2**31 - 1, 32 * 2**20


def keep() -> None:
    """Have the GNU C library keep what a batch frees for the next one; with another library, do nothing.

    Else it gives the pages of the activations back in every backward pass, and every forward faults them in again,
    zeroed: a tenth of a run. What is larger than its largest threshold is mapped on its own, as ever.

    Source: mallopt(3).
    """
    if _libc() and _libc().mallopt(MMAP_THRESHOLD, MOST_MAPPED):
        _libc().mallopt(TRIM_THRESHOLD, MOST_TRIMMED)


def give_back() -> None:
    """What is kept."""
    if _libc():
        _libc().malloc_trim(0)


@cache
def _libc() -> Any:
    """The GNU C library, if this process has it."""
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt, library.malloc_trim  # noqa: B018 - AttributeError where they are missing
    except (OSError, AttributeError):
        return None
    return library


class PeakMemory:
    """From where it is made: bytes of a GPU's tensors, or of the whole process on a CPU.

    Linux can start a process's peak anew; elsewhere it is that of the process so far.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            give_back()  # what earlier cases needed is not this one's
            try:
                CLEAR.write_text("5")
            except OSError:
                return

    def bytes(self) -> int | None:
        """None where the platform does not tell."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        try:
            lines = STATUS.read_text().splitlines()
        except OSError:
            return _of_process()
        peak = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
        return int(peak) * 1024 if peak else _of_process()


def _of_process() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""Memory: a CPU's is kept from batch to batch and given back between cases; a case's peak is measured."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# mallopt's parameters, from malloc.h, and the largest value it takes for each
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
MOST_TRIMMED, MOST_MAPPED = 2**31 - 1, 32 * 2**20


def keep() -> None:
    """Have the GNU C library keep the memory that a batch frees for the next batch; with another library, do nothing.

    Otherwise it gives the pages of the activations back to the system in every backward pass, and every forward pass
    gets them again, zeroed, by page faults: this takes a tenth of a run. Blocks larger than the library's largest
    threshold are still mapped on their own.

    Source: mallopt(3).
    """
    if _libc() and _libc().mallopt(MMAP_THRESHOLD, MOST_MAPPED):
        _libc().mallopt(TRIM_THRESHOLD, MOST_TRIMMED)


def give_back() -> None:
    """Give the memory that the GNU C library keeps back to the system."""
    if _libc():
        _libc().malloc_trim(0)


@cache
def _libc() -> Any:
    """Return the GNU C library. Returns None when this process does not have it."""
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt, library.malloc_trim  # noqa: B018 - AttributeError where they are missing
    except (OSError, AttributeError):
        return None
    return library


class PeakMemory:
    """Measures the peak of memory in use since it was made: of a GPU's tensors, or on a CPU of the whole process.

    Linux can reset a process's peak. On other systems the peak is that of the process since it started.
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
        """Return the peak in bytes. Returns None when the platform does not tell it."""
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

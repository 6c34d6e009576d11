"""What goes wrong while a model runs, in one line that says whose fault it is."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pytest_robustness.errors import DeviceLost, RobustnessError
from pytest_robustness.suite.suite import Case

#: Of the words in which torch says that a CPU has no memory left; a GPU's has a class of its own.
NO_MEMORY = ("can't allocate memory", "not enough memory")
#: CUDA's word for an error after which no call of this process will succeed.
LOST = "CUDA error"


@contextmanager
def translate_device_errors(case: Case) -> Iterator[None]:
    """Out of memory, and a device that is lost, in words that say what to do.

    Raises:
        DeviceLost: this process can use its GPU no more.
        RobustnessError: naming ``batch_size``, out of memory.
    """
    try:
        yield
    except RobustnessError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            problem = f"{case.id} does not fit into memory in batches of {case.batch_size}: {first_line(error)}"
            raise case.error("batch_size", problem) from None
        if is_device_lost(error):
            raise DeviceLost(f"the device is lost: {first_line(error)}") from None
        raise


@contextmanager
def user_code(what: str) -> Iterator[None]:
    """What a user's code raises becomes one line that names it, its error and where that was raised."""
    try:
        yield
    except RobustnessError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_device_lost(error):
            raise
        raise RobustnessError(f"{what} raised {type(error).__name__}: {first_line(error)} ({place(error)})") from error


def is_out_of_memory(error: Exception) -> bool:
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    return said or isinstance(error, torch.OutOfMemoryError | MemoryError)


def is_device_lost(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and LOST in str(error)  # torch.AcceleratorError is one


def first_line(error: Exception) -> str:
    """Of what an exception says, or its type where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def place(error: Exception) -> str:
    """File and line of the innermost frame that is no library's, else of the innermost."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and not _ours(frame.filename)]
    frame = (own or list(frames))[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _ours(filename: str) -> bool:
    return Path(filename).is_relative_to(Path(__file__).parents[2])

"""Errors while a model runs: each is turned into one line that says whose fault it is."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pytest_robustness.errors import DeviceLost, RobustnessError
from pytest_robustness.suite.suite import Case

#: Words of torch's messages when a CPU has no memory left. For a GPU that error has a class of its own.
NO_MEMORY = ("can't allocate memory", "not enough memory")
#: Words of CUDA's message for an error after which no call of this process will succeed.
LOST = "CUDA error"


@contextmanager
def translate_device_errors(case: Case) -> Iterator[None]:
    """Turn the errors "out of memory" and "device lost" into errors that say what to do.

    Raises:
        DeviceLost: this process can no longer use its GPU.
        RobustnessError: memory ran out. The message names ``batch_size``.
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
    """Turn what a user's code raises into a RobustnessError of one line: the code, its error and where it was raised.

    A RobustnessError, an out-of-memory error and a lost device pass through as they are.

    Args:
        what: what the line calls the user's code.
    """
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
    """Return the first line of an exception's message, or the name of its type when the message is empty."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def place(error: Exception) -> str:
    """Return file and line of the innermost frame outside installed libraries and this package.

    When there is no such frame, returns those of the innermost frame.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and not _ours(frame.filename)]
    frame = (own or list(frames))[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _ours(filename: str) -> bool:
    return Path(filename).is_relative_to(Path(__file__).parents[2])

"""Work that one process of a distributed training does for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import distributed

from pytest_robustness.errors import RobustnessError

T = TypeVar("T")


def on_rank_zero(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, done by rank zero alone while the other processes wait for it.

    Every process of the default group must call this at the same place of its program. What ``work`` returns is sent to
    the others, so it must be something that can be pickled. Without a process group ``work`` is done here.

    Raises in every process what ``work`` raises: a RobustnessError as it is; anything else as it is on rank zero, and
    as a RobustnessError on the others, which would otherwise wait until their group's timeout.
    """
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return work()
    done: list[Any] = [None, None]
    error: BaseException | None = None
    if distributed.get_rank() == 0:
        try:
            done[0] = work()
        except RobustnessError as raised:
            done[1] = error = raised
        except BaseException as raised:
            error, done[1] = raised, RobustnessError(f"rank 0: {type(raised).__name__}: {raised}")
    distributed.broadcast_object_list(done, src=0)
    if error is not None:
        raise error
    if done[1] is not None:
        raise done[1]
    result: T = done[0]
    return result

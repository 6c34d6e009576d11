"""Engines: what runs jobs somewhere. An engine is shaped like ``concurrent.futures.Executor``.

In-process and Ray are the two of this package. Others are entry points of the group ``pytest_robustness.engines``: a
function from ``Wanted`` to an ``Engine``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_robustness.errors import DeviceLost, RobustnessError
from pytest_robustness.execute.jobs import Job
from pytest_robustness.extensions import declared, extension
from pytest_robustness.suite.engine import EngineTable

GROUP = "engines"
#: The names by which an engine of this package is asked for, and the form of an address.
IN_PROCESS, RAY, LOCAL, ADDRESS = "in-process", "ray", "local", "ray://"


class EngineLost(DeviceLost):
    """Raised when an engine is gone, and with it all that it had not finished: no other case can be measured."""

    what = "the engine"


@dataclass(frozen=True)
class Wanted:
    """Says what is asked of an engine.

    Attributes:
        name: as it was asked for, with its address where it has one.
        table: what tasks need, by the suite.
        timeout: seconds after which a task is ended; None for no limit.
        progress: called from any thread, now and then, with a job and the number of its images that are done. None when
            nobody looks.
    """

    name: str
    table: EngineTable
    timeout: float | None = None
    progress: Callable[[Job, int], None] | None = None


class Engine(Protocol):
    """Runs jobs somewhere.

    What a model, an attack or a file is to blame for, a future raises as RobustnessError, and so it does when a job was
    lost and trying again did not help. When the engine itself is gone, every future that is not done raises EngineLost.
    What a job warns of is a warning of whoever asks for its result.
    """

    def submit(self, job: Job) -> Future[Any]:
        """Take a job, to be run when there is room, and return what ``job.run`` will return."""

    def workers(self) -> int:
        """Return how many jobs run at a time, as far as is known."""

    def note(self) -> str | None:
        """Return a line that says what a run was measured with. Returns None when there is nothing to say."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Release what the engine holds. With ``cancel_futures`` end what waits and what runs."""


def check_name(name: str) -> None:
    """Raise RobustnessError for the name of no engine."""
    known = [RAY, f"{ADDRESS}HOST:PORT", LOCAL, IN_PROCESS, *declared(GROUP)]
    if name not in known and not (name.startswith(ADDRESS) and len(name) > len(ADDRESS)):
        raise RobustnessError(f"no engine {name!r}: should be one of {', '.join(known)}")


def open_engine(wanted: Wanted) -> Engine:
    """Start an engine, or join it, by its name.

    Raises RobustnessError, in one line, when it cannot be had.
    """
    check_name(wanted.name)
    if wanted.name in declared(GROUP):
        made: Engine = extension(GROUP, wanted.name)(wanted)
        return made
    if wanted.name == IN_PROCESS:
        from pytest_robustness.execute.in_process import InProcess

        return InProcess(wanted)
    try:
        from pytest_robustness.execute.ray.engine import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise RobustnessError(f"{wanted.name}: needs Ray: pip install 'pytest-robustness[ray]'") from None
    return RayEngine(wanted)

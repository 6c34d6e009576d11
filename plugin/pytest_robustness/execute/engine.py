"""What an engine is: it runs jobs somewhere, and is shaped like ``concurrent.futures.Executor``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_robustness.errors import DeviceLost
from pytest_robustness.execute.jobs import Job
from pytest_robustness.suite.engine import EngineTable

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

"""What runs on a node: a worker, an actor with a device of its own, and the board on which all note their progress."""

from __future__ import annotations

import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ray

from pytest_robustness.errors import DeviceLost, RobustnessError
from pytest_robustness.execute.jobs import Bench, Job
from pytest_robustness.execute.ray.files import Copies, Digests, localised
from pytest_robustness.records.provenance import computes_with

#: Seconds between two notes of a worker's progress.
INTERVAL = 0.5


class About(NamedTuple):
    """Says what a worker is: its node, and what the rounding of its results depends on."""

    node: str
    arithmetic: str


class Lacking(NamedTuple):
    """Is answered when a worker's machine lacks files: the job has not begun."""

    paths: list[str]


class Failed(NamedTuple):
    """Is answered when a job failed, in one line. ``lost`` says whether the worker cannot go on."""

    error: str
    lost: bool


class Done(NamedTuple):
    """Is answered when a job is done.

    Attributes:
        value: what the job returned.
        warnings: what it warned of.
        cpu_seconds: CPU time of the process. ``started`` and ``ended`` are seconds of the machine's clock.
    """

    value: Any
    warnings: list[str]
    cpu_seconds: float
    started: float
    ended: float


class Board:
    """Keeps how many images of each job are done. It is an actor: workers write on it and the driver reads."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}

    def write(self, number: int, done: int) -> None:
        self._done[number] = done

    def read(self) -> dict[int, int]:
        return self._done


class Worker:
    """Runs jobs, one at a time, and keeps what it finds out about their models.

    Args:
        folders: the driver's ``sys.path``; those that are on this machine are searched here too.
        gpu: whether the worker has a GPU, or a share of one, that Ray gave it.
        time_unreliable_because: why its times should not be judged; None when they may be.
        board: where progress is noted; None when nobody looks.
    """

    def __init__(self, folders: Sequence[str], *, gpu: bool, time_unreliable_because: str | None, board: Any) -> None:
        sys.path += [folder for folder in folders if folder not in sys.path and os.path.isdir(folder)]  # noqa: PTH112
        from pytest_robustness.evaluate.runtime.devices import as_device, device_name, prepare_device

        device = as_device("cuda:0" if gpu else "cpu")
        prepare_device(device, workers=1)  # Ray has set the number of threads to that of the worker's cores
        self._bench = Bench(device, time_unreliable_because)
        self._about = About(ray.get_runtime_context().get_node_id(), computes_with(device.type, device_name(device)))
        self._copies = Copies()
        self._board = board

    def about(self) -> About:
        return self._about

    def run(self, number: int, job: Job, digests: Digests, data: Mapping[str, Any]) -> Done | Failed | Lacking:
        """Run a job.

        Args:
            number: the job's, under which progress is noted.
            digests: of the files it needs.
            data: where the content of some of them is, by their paths: references to the object store.
        """
        for path in self._copies.lacking(digests):
            if path not in data:
                return Lacking(self._copies.lacking(digests))
            self._copies.store(path, digests[path], ray.get(data[path]))
        started, cpu = time.time(), time.process_time()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                here = job.on(localised(job.case, digests, self._copies))
                value = here.run(self._bench, self._progress(number))
            except DeviceLost as error:
                return Failed(str(error), lost=True)
            except RobustnessError as error:
                return Failed(str(error), lost=False)
            except BaseException as error:  # also what ends a process, or a test: it is the job that ends
                where = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"  # noqa: PTH119
                return Failed(f"{job.case.id}: the code of the model or of the attack raised {said}", lost=False)
        told = [str(one.message) for one in warned if issubclass(one.category, UserWarning)]
        return Done(value, told, time.process_time() - cpu, started, time.time())

    def _progress(self, number: int) -> Callable[[int, int], None]:
        last = 0.0

        def note(done: int, total: int) -> None:
            nonlocal last
            if self._board is not None and time.monotonic() - last > INTERVAL:
                last = time.monotonic()
                self._board.write.remote(number, done)

        return note

"""The engine itself: hires workers, gives each the job that suits it best, and asks again for what was lost."""

from __future__ import annotations

import contextlib
import itertools
import queue
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future, InvalidStateError
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.execute.engine import EngineLost, Wanted
from pytest_robustness.execute.jobs import Job
from pytest_robustness.execute.ray.cluster import LOOK, Cluster, Shape, line
from pytest_robustness.execute.ray.files import digests_of
from pytest_robustness.execute.ray.orders import Hired, Ordered
from pytest_robustness.execute.ray.worker import About, Board, Done, Failed, Lacking, Worker

#: How often a job that was lost is asked for again, and how many workers of a shape may fail to start in a row.
AGAIN, STARTS = 2, 3
#: Seconds between two looks at what is new when nothing happens.
POLL = 0.1
#: A job that costs at least this share of the longest one comes before it on a worker that knows its model.
NEARLY = 0.5


class RayEngine:
    """Runs jobs on a cluster of Ray. One thread of it talks to Ray.

    A worker is an actor that has a core or a GPU and keeps what it knows of models. A free one gets the costliest job,
    or one that costs nearly as much and is of a model it knows. All jobs of a model run on devices that round alike,
    as long as there are any.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._cluster = Cluster(wanted.name, wanted.table.runtime_env)
        self._numbers = itertools.count()
        self._new: queue.SimpleQueue[Ordered] = queue.SimpleQueue()
        self._waiting: list[Ordered] = []
        self._hired: list[Hired] = []
        self._failed_starts: Counter[Shape] = Counter()
        self._arithmetic: dict[str, str] = {}  # of the devices of each model
        self._data: dict[str, Any] = {}  # by the digest of a file: its content in the object store
        self._board = ray.remote(num_cpus=0)(Board).remote() if wanted.progress is not None else None
        self._read: Any = None
        self._jobs: dict[int, Job] = {}
        self.done: list[tuple[Job, str, Done]] = []
        self.lost = 0
        self._problem: EngineLost | None = None
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._run, self._watch)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Any]:
        one = Ordered(next(self._numbers), job, self._cluster.shape(self._wanted.table.of(job.case.model_name)))
        if self._problem is not None or self._stopped.is_set():
            one.future.set_exception(self._problem or EngineLost("the run has ended"))
        else:
            self._new.put(one)
        return one.future

    def workers(self) -> int:
        return self._wanted.table.workers or self._cluster.room(self._cluster.shape(self._wanted.table))

    def note(self) -> str | None:
        if not self.done:
            return None
        nodes = len({node for _, node, _ in self.done})
        again = f", {self.lost} were lost and done again" if self.lost else ""
        return f"measured by Ray: {len(self.done)} tasks on {nodes} {'node' if nodes == 1 else 'nodes'}{again}"

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=1 if self._problem else 10)  # of a lost cluster they wait for an answer
        if self._problem is None:
            for hired in self._hired:
                hired.dismiss()
        self._fail_open(EngineLost("the run has ended"))
        self._cluster.leave()

    def _unfinished(self) -> list[Ordered]:
        self._take()
        return [*self._waiting, *(hired.at_work for hired in self._hired if hired.at_work is not None)]

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._step()
        except BaseException as error:
            self._end(EngineLost(f"the engine failed: {line(error)}"))

    def _watch(self) -> None:
        """Look whether the head answers, in a thread of its own: Ray's calls wait for a head that is gone."""
        try:
            while not self._stopped.wait(LOOK):
                self._cluster.check_head()
        except EngineLost as lost:
            self._end(lost)

    def _end(self, problem: EngineLost) -> None:
        self._problem = self._problem or problem
        self._stopped.set()
        self._fail_open(self._problem)

    def _fail_open(self, error: EngineLost) -> None:
        for one in self._unfinished():
            with contextlib.suppress(InvalidStateError):  # it was done
                one.future.set_exception(error)

    def _step(self) -> None:
        self._take()
        self._hire()
        for hired in self._hired:
            if hired.about is not None and hired.at_work is None:
                self._give(hired)
        self._read_board()
        calls = {hired.call: hired for hired in self._hired if hired.call is not None}
        if not calls:
            self._stopped.wait(POLL)
            return
        ready, _ = ray.wait(list(calls), timeout=POLL)
        if ready:
            ready, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in ready:
            self._settle(calls[call])
        self._end_overdue()

    def _take(self) -> None:
        while not self._new.empty():
            self._waiting.append(self._new.get())
        self._waiting.sort(key=lambda one: one.order)

    def _hire(self) -> None:
        """Have as many workers of each shape as there are jobs for, and room. Ray starts one when there is room."""
        needed = Counter(one.shape for one in self._unfinished())
        for shape, jobs in needed.items():
            own = [hired for hired in self._hired if hired.shape == shape]
            room = self._wanted.table.workers or self._cluster.room(shape)
            if not room and not own:
                self._fail_all(shape, f"no node of the Ray cluster has {shape}: see [engine] in the suite")
            for _ in range(min(room, jobs) - len(own)):
                self._hired.append(self._start(shape))
        if any(hired.about is None for hired in self._hired):
            for hired in [one for one in self._hired if one.at_work is None and one.shape not in needed]:
                self._hired.remove(hired)
                hired.dismiss()  # others wait for its room

    def _start(self, shape: Shape) -> Hired:
        options: dict[str, Any] = {"num_cpus": shape.num_cpus, "num_gpus": shape.num_gpus, "max_restarts": 0}
        if shape.memory:
            options["memory"] = shape.memory
        actor = (
            ray.remote(Worker)
            .options(**options)
            .remote(sys.path, gpu=bool(shape.num_gpus), time_unreliable_because=shape.shares, board=self._board)
        )
        return Hired(actor, shape, actor.about.remote())

    def _give(self, hired: Hired) -> None:
        """Give a free worker a job, when there is one that suits it."""
        one = self._suiting(hired)
        if one is None:
            return
        self._waiting.remove(one)
        if not one.future.running() and not one.future.set_running_or_notify_cancel():
            return  # cancelled
        assert hired.about is not None
        self._arithmetic.setdefault(one.model, hired.about.arithmetic)
        hired.models.add(one.model)
        hired.at_work, one.started = one, time.monotonic()
        self._jobs[one.number] = one.job
        self._ask(hired, one, {})

    def _suiting(self, hired: Hired) -> Ordered | None:
        can = [one for one in self._waiting if one.shape == hired.shape and self._rounds_alike(one, hired)]
        if not can:
            return None
        near = (one for one in can if one.model in hired.models and one.job.cost >= NEARLY * can[0].job.cost)
        return next(near, can[0])

    def _rounds_alike(self, one: Ordered, hired: Hired) -> bool:
        """Return whether a worker may measure for a model: on a device like that of its first job, if any is left."""
        wanted = self._arithmetic.get(one.model)
        assert hired.about is not None
        if wanted is None or wanted == hired.about.arithmetic:
            return True
        left = (other.about for other in self._hired if other.shape == one.shape)
        return not any(about is None or about.arithmetic == wanted for about in left)

    def _ask(self, hired: Hired, one: Ordered, data: dict[str, Any]) -> None:
        try:
            digests = digests_of(one.job.case)
        except OSError as error:
            self._finish(hired, RobustnessError(f"{one.job.case.id}: {error}"))
            return
        hired.call = hired.actor.run.remote(one.number, one.job, digests, data)

    def _settle(self, hired: Hired) -> None:
        """Take a worker's answer."""
        try:
            answer = ray.get(hired.call)
        except RayTaskError as error:
            if hired.about is None:
                self._failed_to_start(hired, line(error.cause or error))
            else:  # the job could not be read there: another version of the package, or none
                self._finish(hired, RobustnessError(f"on node {hired.about.node[:8]}: {line(error.cause or error)}"))
            return
        except (RayActorError, RayError) as error:
            self._lose(hired, line(error))
            return
        one = hired.at_work
        hired.call = None
        if isinstance(answer, About):
            hired.about = answer
            self._failed_starts[hired.shape] = 0
        elif one is None:
            return
        elif isinstance(answer, Lacking):
            self._ask(hired, one, self._content(one.job, answer.paths))
        elif isinstance(answer, Failed) and answer.lost:
            self._lose(hired, answer.error)
        elif isinstance(answer, Failed):
            self._finish(hired, RobustnessError(answer.error))
        else:
            assert isinstance(answer, Done)
            assert hired.about is not None
            self.done.append((one.job, hired.about.node, answer))
            one.future.warnings = tuple(answer.warnings)
            self._finish(hired, None, answer.value)

    def _content(self, job: Job, paths: list[str]) -> dict[str, Any]:
        """Return references to the content of files, which is put into the object store once."""
        digests = digests_of(job.case)
        for path in paths:
            if digests[path] not in self._data:
                with open(path, "rb") as file:  # noqa: PTH123
                    self._data[digests[path]] = ray.put(file.read())
        return {path: self._data[digests[path]] for path in paths}

    def _finish(self, hired: Hired, error: RobustnessError | None, value: Any = None) -> None:
        one, hired.at_work, hired.call = hired.at_work, None, None
        if one is None or one.future.done():
            return
        if error is not None:
            one.future.set_exception(error)
        else:
            one.future.set_result(value)

    def _lose(self, hired: Hired, why: str) -> None:
        """Let a worker go that is dead or of no more use. Its job is asked for again, as often as that may help."""
        self._hired.remove(hired)
        hired.dismiss()
        if hired.about is None:
            self._failed_to_start(hired, why)
        one = hired.at_work
        if one is None:
            return
        one.losses += 1
        if one.losses > AGAIN:
            self._finish(hired, RobustnessError(f"{one.job.case.id}: lost {one.losses} times: {why}"))
        else:
            self.lost += 1
            self._waiting.append(one)

    def _failed_to_start(self, hired: Hired, why: str) -> None:
        if hired in self._hired:
            self._hired.remove(hired)
        self._failed_starts[hired.shape] += 1
        if self._failed_starts[hired.shape] >= STARTS and not any(
            other.about is not None and other.shape == hired.shape for other in self._hired
        ):
            self._fail_all(hired.shape, f"no worker starts ({self._failed_starts[hired.shape]} tried): {why}")

    def _fail_all(self, shape: Shape, why: str) -> None:
        for one in [one for one in self._waiting if one.shape == shape]:
            self._waiting.remove(one)
            one.future.set_exception(RobustnessError(f"{one.job.case.id}: {why}"))

    def _end_overdue(self) -> None:
        limit = self._wanted.timeout
        for hired in list(self._hired):
            one = hired.at_work
            if limit is not None and one is not None and time.monotonic() - one.started > limit:
                self._hired.remove(hired)
                hired.dismiss()
                what = f"timed out: its suite's timeout is {limit:g} s, so its worker was ended"
                self._finish(hired, RobustnessError(f"{one.job.case.id}: {what}"))

    def _read_board(self) -> None:
        """Pass the progress on that workers have noted."""
        if self._board is None or self._wanted.progress is None:
            return
        if self._read is None:
            self._read = self._board.read.remote()
            return
        ready, _ = ray.wait([self._read], timeout=0)
        if ready:
            try:
                for number, done in ray.get(self._read).items():
                    if number in self._jobs:
                        self._wanted.progress(self._jobs[number], done)
            except RayError:  # it was on a node that is gone
                self._board = None
            self._read = None

"""The engine that is this process: a job runs when somebody waits for it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from pytest_robustness.execute.engine import Wanted
from pytest_robustness.execute.jobs import Bench, Job


class InProcess:
    """Runs each job in the thread that first asks for its result, and so one after the other and without waste."""

    def __init__(self, wanted: Wanted) -> None:
        self._bench = Bench()
        self._report = wanted.progress
        self._open: list[Pending] = []

    def submit(self, job: Job) -> Future[Any]:
        future = Pending(self, job)
        self._open.append(future)
        return future

    def run(self, job: Job) -> object:
        def progress(done: int, total: int) -> None:
            if self._report is not None:
                self._report(job, done)

        return job.run(self._bench, progress)

    def workers(self) -> int:
        return 1

    def note(self) -> str | None:
        return None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for future in self._open:
                future.cancel()
        self._open.clear()


class Pending(Future[Any]):
    """Is a future that runs its job when it is asked for the result."""

    def __init__(self, engine: InProcess, job: Job) -> None:
        super().__init__()
        self._engine, self._job = engine, job

    def result(self, timeout: float | None = None) -> Any:
        """Run the job unless it has run, and return its result. ``timeout`` is not used."""
        if not self.done() and self.set_running_or_notify_cancel():
            try:
                self.set_result(self._engine.run(self._job))
            except BaseException as error:
                self.set_exception(error)
                raise
        return super().result(0)

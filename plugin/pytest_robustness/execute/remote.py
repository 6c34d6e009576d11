"""The cases of a run, measured by an engine: each is submitted at the start, and awaited by its own test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pytest_robustness.evaluate.images.load import count_images
from pytest_robustness.execute.case import Request, needs_checks
from pytest_robustness.execute.engine import Engine
from pytest_robustness.execute.jobs import (
    Attack,
    CheckMasking,
    Clean,
    CleanAnswers,
    Identified,
    Identify,
    Job,
    Pictures,
)
from pytest_robustness.execute.measuring import NeedsChecks
from pytest_robustness.execute.plan import Size, Task, expected_costs, tasks
from pytest_robustness.gate.unchanged import is_unchanged
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Estimate, Measurement
from pytest_robustness.records.part import merge
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.suite.suite import Case

#: How many tasks of the same size the work of a run would make, for each worker: with fewer the last one leaves others
#: idle, and each more loads a model once more.
TASKS_OF_A_WORKER = 6


@dataclass(frozen=True)
class Asked:
    """Holds a case that is to be measured, and how it will be judged: what can be known to be needed is not awaited."""

    case: Case
    baseline: Measurement | None
    request: Request


@dataclass
class _Parts:
    """Holds the parts of a case: as planned, and once they are submitted."""

    asked: Asked
    planned: list[Task] = field(default_factory=list)
    futures: list[Future[Any]] | None = None
    identified: Future[Any] | None = None


class Remote:
    """Measures cases by an engine. It is a ``Measuring``.

    Args:
        progress: called from any thread with a case and the numbers of its images that are done, and of all.
    """

    def __init__(self, progress: Callable[[str, int, int], None] = lambda case, done, total: None) -> None:
        self._progress = progress
        self._cases: dict[str, _Parts] = {}
        self._clean: dict[str, Future[Any]] = {}  # by model
        self._checks: dict[str, Future[Any]] = {}  # by model
        self._images: dict[str, int] = {}
        self._done: dict[str, dict[int, int]] = {}  # images done, by case and first image of a part
        self._lock = threading.RLock()  # the engine calls back from threads of its own

    def submit(self, engine: Engine, all_asked: Sequence[Asked]) -> None:
        """Submit cases to an engine, the longest first, and large ones in parts.

        Raises RobustnessError when images are not what the suite says.
        """
        self._engine = engine
        # cut at whole batches: some attacks need them, and a smaller part would not fill its only one
        sizes = {one.case.id: Size(count_images(one.case), one.case.batch_size) for one in all_asked}
        self._images = {case: size.images for case, size in sizes.items()}
        costs = expected_costs(sizes, {one.case.id: one.baseline for one in all_asked if one.baseline is not None})
        largest = sum(costs.values()) / (TASKS_OF_A_WORKER * max(1, engine.workers()))
        self._cases = {asked.case.id: _Parts(asked) for asked in all_asked}
        planned = tasks(list(sizes), costs, sizes, largest=largest)
        for task in planned:
            self._cases[task.case].planned.append(task)
        for case in dict.fromkeys(task.case for task in planned):
            self._start(self._cases[case])

    def image_lists(self, case: Case) -> tuple[ImageList, ImageList | None]:
        clean: Clean = self._clean_of(case).result()
        return clean.attacked, clean.unselected

    def identify(self, case: Case) -> tuple[Protocol, Provenance]:
        identified = self._cases[case.id].identified
        assert identified is not None
        found: Identified = identified.result()
        return found.protocol, found.provenance

    def measure(self, case: Case, needs_checks: NeedsChecks) -> Measurement:
        parts = [future.result() for future in self._attack(self._cases[case.id])]
        clean: Clean = self._clean_of(case).result()
        part = clean.part and clean.part.model_copy(update={"case": case.id})
        measurement = merge(parts, part)
        if not needs_checks(measurement.provenance):
            return measurement
        return measurement.model_copy(update={"findings": self._check(case).result()})

    def hint(self, case: Case) -> str | None:
        return None  # no worker looks for one

    def gallery(self, case: Case, found: Measurement, lost: Sequence[int] = (), won: Sequence[int] = ()) -> Gallery:
        pictures: Gallery = self._engine.submit(Pictures(case, found, tuple(lost), tuple(won))).result()
        return pictures

    def estimate(self) -> Estimate | None:
        return None

    def progress(self, job: Job, done: int) -> None:
        """Note how many images of a job are done: an engine calls it."""
        if isinstance(job, Attack):
            with self._lock:
                each = self._done.setdefault(job.case.id, {})
                first = job.rows.start if job.rows is not None else 0
                if done <= each.get(first, 0):
                    return  # late news, or of a part that was lost and is measured again
                each[first] = done
                together = sum(each.values())
            self._progress(job.case.id, together, self._images[job.case.id])

    def _start(self, one: _Parts) -> None:
        """Submit a case: at once, or when it turns out not to repeat its baseline."""
        asked = one.asked
        self._clean_of(asked.case)
        if not asked.request.changed_only or asked.baseline is None:
            self._attack(one)
            return
        one.identified = self._engine.submit(Identify(asked.case))
        one.identified.add_done_callback(lambda future: self._attack_changed(one, future))

    def _attack_changed(self, one: _Parts, identified: Future[Any]) -> None:
        if identified.cancelled() or identified.exception() is not None or one.asked.baseline is None:
            return  # its test says so
        if not is_unchanged(one.asked.baseline, *identified.result()):
            self._attack(one)

    def _attack(self, one: _Parts) -> list[Future[Any]]:
        """Return the futures of a case's parts, which are submitted when this is first asked for."""
        with self._lock:
            if one.futures is None:
                jobs = [Attack(one.asked.case, task.rows, task.cost) for task in one.planned]
                one.futures = [self._engine.submit(job) for job in jobs]
                for job, future in zip(jobs, one.futures, strict=True):
                    future.add_done_callback(lambda future, job=job: self._attacked(one, job, future))  # type: ignore[misc]
            return one.futures

    def _attacked(self, one: _Parts, job: Attack, future: Future[Any]) -> None:
        """Count a part's images, and submit the checks of its model as soon as it is known that they are needed."""
        if future.cancelled() or future.exception() is not None:
            return
        part = future.result()
        self.progress(job, len(part.places))
        if needs_checks(one.asked.baseline, part.provenance, one.asked.request):
            self._check(one.asked.case)

    def _clean_of(self, case: Case) -> Future[Any]:
        return self._once(self._clean, case, CleanAnswers(case))

    def _check(self, case: Case) -> Future[Any]:
        return self._once(self._checks, case, CheckMasking(case))

    def _once(self, futures: dict[str, Future[Any]], case: Case, job: Job) -> Future[Any]:
        """Return the future of a job that is done once for all cases of a model."""
        with self._lock:
            if case.model_name not in futures:
                futures[case.model_name] = self._engine.submit(job)
            return futures[case.model_name]

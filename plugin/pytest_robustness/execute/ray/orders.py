"""What the engine keeps of a job that was ordered, and of a worker that was hired."""

from __future__ import annotations

import contextlib
import warnings
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError

from pytest_robustness.execute.jobs import Job
from pytest_robustness.execute.ray.cluster import Shape
from pytest_robustness.execute.ray.worker import About


class Told(Future[Any]):
    """Is a future that passes a job's warnings on to the one who asks for its result."""

    warnings: tuple[str, ...] = ()

    def result(self, timeout: float | None = None) -> Any:
        """Return what the job returned, and warn of what it warned of, once."""
        found = super().result(timeout)
        told, self.warnings = self.warnings, ()
        for message in told:
            warnings.warn(message, stacklevel=2)
        return found


@dataclass(eq=False)
class Ordered:
    """Holds a job, its future, and what happened to it."""

    number: int
    job: Job
    shape: Shape
    future: Told = field(default_factory=Told)
    losses: int = 0
    started: float = 0.0

    @property
    def order(self) -> tuple[float, int]:
        return -self.job.cost, self.number

    @property
    def model(self) -> str:
        return self.job.case.model_name


@dataclass(eq=False)
class Hired:
    """Holds a worker: what it is once it has started, what it is asked, and which models it knows."""

    actor: Any
    shape: Shape
    call: Any
    about: About | None = None
    at_work: Ordered | None = None
    models: set[str] = field(default_factory=set)

    def dismiss(self) -> None:
        """End the worker, whatever it does."""
        with contextlib.suppress(RayError, ValueError):  # it is gone already
            ray.kill(self.actor)

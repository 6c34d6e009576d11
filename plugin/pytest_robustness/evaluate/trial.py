"""Trials: a trial on a few images tells how long all of them would take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_robustness.records.measurement import Estimate


class Stopwatch:
    """Measures the wall seconds of a case, and estimates those for all of its images.

    Attributes:
        limit: number of images of a trial; None means all images, without a trial.
        all_images: number of images of the case, not of the trial.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.all_images = 0
        self._started = time.perf_counter()
        self._more = 0.0

    @contextmanager
    def images(self, done: int, all_of_them: int) -> Iterator[None]:
        """Time work whose duration grows with the number of images.

        The block does it for ``done`` images, and a whole run would do it for ``all_of_them``.
        """
        start = time.perf_counter()
        yield
        self._more += (time.perf_counter() - start) * (all_of_them / max(done, 1) - 1)

    def estimate(self) -> Estimate:
        """Return the seconds taken until now, and the estimated seconds for all images."""
        taken = time.perf_counter() - self._started
        return Estimate(seconds=taken, full_seconds=taken + self._more, images=max(1, self.all_images))

"""A trial on a few images tells how long all of them would take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_robustness.records.measurement import Estimate


class Stopwatch:
    """Wall seconds of a case, and what they would be on all of its images.

    Attributes:
        limit: images of a trial; None: all of them, no trial.
        all_images: of the case, not of the trial.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.all_images = 0
        self._started = time.perf_counter()
        self._more = 0.0

    @contextmanager
    def images(self, done: int, all_of_them: int) -> Iterator[None]:
        """Work that grows with the images: what is inside is done for the first number of them."""
        start = time.perf_counter()
        yield
        self._more += (time.perf_counter() - start) * (all_of_them / max(done, 1) - 1)

    def estimate(self) -> Estimate:
        """What it took until now, and what all images would."""
        taken = time.perf_counter() - self._started
        return Estimate(seconds=taken, full_seconds=taken + self._more, images=max(1, self.all_images))

"""A trial on a few images tells how long all of them would take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Wall seconds of a case, and what they would be on all of its images.

    Attributes:
        limit: images of a trial; None: all of them, no trial.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._started = time.perf_counter()
        self._more = 0.0

    @contextmanager
    def images(self, done: int, all_of_them: int) -> Iterator[None]:
        """Work that grows with the images: what is inside is done for the first number of them."""
        start = time.perf_counter()
        yield
        self._more += (time.perf_counter() - start) * (all_of_them / max(done, 1) - 1)

    def seconds(self) -> tuple[float, float]:
        """What it took until now, and what all images would."""
        taken = time.perf_counter() - self._started
        return taken, taken + self._more

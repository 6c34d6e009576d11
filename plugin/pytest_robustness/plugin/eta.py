"""Estimates how much of a run is left: cases, images, and time, from what the cases took when they were recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

#: The note that a process leaves while a case runs: the case, the images done, and all images.
NOTE = re.compile(r"(\S+) (\d+)/(\d+)")


@dataclass(frozen=True)
class Expected:
    """Holds what the attack of a case took when it was recorded, in seconds, and on how many images."""

    seconds: float | None = None
    images: int | None = None


class RunProgress:
    """Tracks the cases of a run and which are done. All are over one image set, which may have grown.

    Args:
        expected: what is expected of each case that was selected.
        workers: how many run at a time; 0 where tests only wait for cases, so that what they take tells nothing.
    """

    def __init__(self, expected: Mapping[str, Expected], workers: int = 1) -> None:
        self.expected = dict(expected)
        self.workers = workers
        self.took: dict[str, float] = {}
        self.total: int | None = None  # images of the set, once a case has said so

    def finish(self, case: str, seconds: float) -> None:
        """Note that a case is done, or will not be."""
        if case in self.expected:
            self.took = {**self.took, case: seconds}  # another thread may be reading

    def line(self, notes: Iterable[str]) -> str:
        """Return the line to show while cases leave these notes. It is empty when there are none."""
        notes = [note for note in notes if note]
        if not notes:
            return ""
        running = {found[1]: (int(found[2]), int(found[3])) for note in notes if (found := NOTE.fullmatch(note))}
        self.total = max((total for _, total in running.values()), default=self.total)
        parts = [f"{len(self.took)}/{len(self.expected)} cases", f"{self.images(running):,} images"]
        left = self.seconds_left({case: done / max(total, 1) for case, (done, total) in running.items()})
        if left is not None:
            parts.append(f"{duration(left)} left")
        return f"{', '.join(parts)}: {', '.join(notes)}"

    def images(self, running: Mapping[str, tuple[int, int]]) -> int:
        """Return how many images were attacked so far."""
        recorded = max((one.images for one in self.expected.values() if one.images), default=0)
        finished = len(self.took) * (self.total or recorded)
        return finished + sum(done for case, (done, _) in running.items() if case not in self.took)

    def seconds_left(self, shares: Mapping[str, float]) -> float | None:
        """Return the seconds left by the expected times, corrected by what finished cases took.

        Returns None when nothing is known.

        Args:
            shares: how far each of the cases that run is, in [0, 1].
        """
        if not self.workers:
            return None
        known = {case: one.seconds * self._grown(one) for case, one in self.expected.items() if one.seconds}
        finished = [case for case in self.took if case in known]
        pace = sum(self.took[case] for case in finished) / sum(known[case] for case in finished) if finished else 1.0
        if known:
            typical = fmean(known.values()) * pace
        elif self.took:
            typical = fmean(self.took.values())
        else:
            return None
        open_cases = [case for case in self.expected if case not in self.took]
        rest = sum(
            (known[case] * pace if case in known else typical) * (1 - shares.get(case, 0.0)) for case in open_cases
        )
        return rest / max(1, min(self.workers, len(open_cases)))

    def _grown(self, expected: Expected) -> float:
        """Return the factor by which the images have grown since a case was recorded; 1 when it is not known."""
        return self.total / expected.images if self.total and expected.images else 1.0


def duration(seconds: float) -> str:
    """Format a duration: seconds below 90 s, minutes below 90 min, else hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

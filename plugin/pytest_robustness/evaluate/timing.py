"""Attack time: what the rounds of a case cost, in seconds and, if units were timed, in gradient units."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from pytest_robustness.evaluate.rounds import Round
from pytest_robustness.records.measurement import Timing


def timing_of(rounds: Sequence[Round], attempts: int, images: int, time_unreliable_because: str | None) -> Timing:
    """Return the attack time in seconds per attempt and, if units were timed beside it, in gradient units.

    The cost of a round's attack for each image computed, in units, is nearly the same in all rounds. Its median, times
    the images computed, is the time of an undisturbed run.
    """
    timed = [one for one in rounds if one.rows]
    if not timed:
        return Timing(seconds_per_attempt=None, gradient_units=None, unit_spread=None, doubt="no attempts")
    units = [(seconds, count) for one in rounds for seconds, count in one.units]
    each = [seconds / count for seconds, count in units]
    unit = max(median(each), sys.float_info.min) if each else None
    costs = [one.attack_seconds / one.rows / (unit or 1.0) for one in timed]
    rows = sum(one.rows for one in timed)
    seconds = sum(one.attack_seconds for one in timed)
    return Timing(
        seconds_per_attempt=round(seconds / attempts, 9),
        gradient_units=round(median(costs) * rows / images, 4) if unit else None,
        unit_spread=round(max(_spread(each), _spread(costs)), 4) if unit else None,
        attack_seconds=round(seconds, 6),
        rows=rows,
        gradient_rows=sum(one.gradient_rows for one in timed),
        padding=sum(one.padding for one in timed),
        rounds=len(timed),
        unit_seconds=round(sum(seconds for seconds, _ in units), 6),
        unit_rows=sum(count for _, count in units),
        doubt=time_unreliable_because,
    )


def _spread(values: Sequence[float]) -> float:
    """Return the relative standard deviation, by the median absolute deviation.

    For a normal distribution the standard deviation is 1.4826 times the median absolute deviation.
    """
    typical = median(values)
    return 1.4826 * median(abs(value - typical) for value in values) / typical if typical else 0.0

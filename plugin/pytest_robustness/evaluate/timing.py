"""Attack time: what the rounds of a case cost, in seconds and in gradient units."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from statistics import fmean, median

from pytest_robustness.evaluate.rounds import Round
from pytest_robustness.records.measurement import Timing


def timing_of(rounds: Sequence[Round], attempts: int, time_unreliable_because: str | None) -> Timing:
    """Attack time in seconds per attempt and in gradient units.

    A round's unit is the median of those timed beside it and its neighbours. What a round's attack cost per image
    computed, in units, is nearly the same in all rounds; its median, times the images computed, is the time of an
    undisturbed run.
    """
    if not rounds:
        return Timing(
            seconds_per_attempt=None,
            gradient_units=None,
            unit_spread=None,
            gradients=0.0,
            doubt="no attempts",
        )
    units = [[seconds / len(one.correct) for seconds in one.unit_seconds] for one in rounds]
    near = [median(chain(*units[max(0, i - 1) : i + 2])) for i, _ in enumerate(rounds)]
    costs = [
        one.attack_seconds / max(one.outcome.rows, 1) / max(unit, sys.float_info.min)
        for one, unit in zip(rounds, near, strict=True)
    ]
    computed = sum(one.outcome.rows for one in rounds) / sum(len(one.correct) for one in rounds)
    return Timing(
        seconds_per_attempt=round(sum(one.attack_seconds for one in rounds) / attempts, 9),
        gradient_units=round(median(costs) * computed, 4),
        unit_spread=round(max(_spread(list(chain(*units))), _spread(costs)), 4),
        gradients=round(fmean(one.outcome.gradients for one in rounds), 4),
        doubt=time_unreliable_because,
    )


def _spread(values: Sequence[float]) -> float:
    """Relative standard deviation, by the median absolute deviation (1.4826 of it, for a normal distribution)."""
    typical = median(values)
    return 1.4826 * median(abs(value - typical) for value in values) / typical if typical else 0.0

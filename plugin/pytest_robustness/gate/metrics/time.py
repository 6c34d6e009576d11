"""Time: what the attack costs, in gradient units."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pytest_robustness.gate.metrics.paired import not_judged
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.verdict import MetricVerdict

#: The least number of rounds that tells how much their time varies.
LEAST_ROUNDS = 4
#: How far the 95 % interval of a change in time may reach, as a share of the tolerance.
ALLOWED_REACH = 0.5
#: Standard error of a median, in standard errors of a mean, for a normal distribution.
MEDIAN_ERROR = math.sqrt(math.pi / 2)
#: Said of a baseline that no run can be compared with.
ANEW = "the next update records it anew"


def compare_time(baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
    """Compare the time of whole runs. A time cannot be divided among images, so both runs must be of the same ones."""
    before, after = baseline.timing.gradient_units, current.timing.gradient_units
    if not after:
        yield not_judged("time", "nothing was timed")
        return
    if not before:
        yield not_judged("time", f"the baseline was not timed: {ANEW}", record_anew=True)
        return
    values, allowed = f"{before:.2f} -> {after:.2f} gradient units", ALLOWED_REACH * rules.tolerances.time
    reach = time_reach(baseline.timing, current.timing)
    if doubt := _doubt(baseline, current):
        yield not_judged("time", f"{values}, {doubt}")
        return
    if reach > allowed:
        anew = time_reach(baseline.timing) > allowed >= time_reach(current.timing)
        doubt = f"known to {reach:.0%} only, not to {allowed:.0%}"
        yield not_judged("time", f"{values}, {doubt}{f', for the baseline: {ANEW}' if anew else ''}", record_anew=anew)
        return
    change = after / before - 1
    outcome = rules.outcome(-change, rules.tolerances.time, 0.0)  # no test is needed: the reach makes it sure
    yield MetricVerdict(
        metric="time",
        outcome=outcome,
        fails=rules.fails(outcome, -change),
        text=f"time {values} ({change:+.1%})",
        before=before,
        after=after,
        change=change,
        interval=((1 + change) * (1 - reach) - 1, (1 + change) * (1 + reach) - 1),
        worse=change < 0,
    )


def _doubt(baseline: Measurement, current: Measurement) -> str | None:
    """Return why two times should not be compared. Returns None when they can be."""
    if baseline.provenance.device != current.provenance.device:
        return f"recorded on {baseline.provenance.device}"
    if baseline.timing.threads != current.timing.threads:
        return f"recorded on {_threads(baseline)}, now on {_threads(current)}"
    if baseline.images.digest != current.images.digest:
        return "recorded over other images"
    if doubt := current.timing.doubt or baseline.timing.doubt:
        return doubt
    if min(baseline.timing.rounds, current.timing.rounds) < LEAST_ROUNDS:
        return f"fewer than {LEAST_ROUNDS} rounds"
    return None


def _threads(one: Measurement) -> str:
    count = one.timing.threads
    return f"{count or 'unknown'} thread{'' if count == 1 else 's'}"


def time_reach(*timings: Timing) -> float:
    """Return how far the 95 % interval of a time, or of a ratio of times, reaches, as a share of it."""
    errors = ((timing.unit_spread or 0.0) / math.sqrt(max(timing.rounds, 1)) for timing in timings)
    return 1.96 * MEDIAN_ERROR * math.hypot(*errors)

"""A history in one sentence."""

from __future__ import annotations

from pytest_robustness.errors import some
from pytest_robustness.report.history.data import History


def is_eroded(history: History) -> bool:
    """Return whether a case is significantly worse now than the first version it can be compared with."""
    return bool(_worse(history))


def sentence(history: History) -> str:
    """Return what became of the baselines, for a reader who reads no further."""
    where = f"since {history.since}" if history.since else "since the first that can be compared"
    compared = sum(one.erosion is not None for one in history.series)
    worse = _worse(history)
    if not history.series:
        return f"No version of a baseline of {history.suite} can be read."
    if not compared:
        return f"No baseline of {history.suite} has two versions that can be compared."
    if worse:
        return (
            f"{_times(len(worse), 'case')} of {compared} {_are(len(worse))} easier to attack {where}: {some(worse, 3)}."
        )
    return f"None of {_times(compared, 'case')} is shown to be easier to attack {where}."


def _worse(history: History) -> list[str]:
    return [
        one.case
        for one in history.series
        if one.erosion is not None
        and any(metric.outcome == "regressed" and metric.metric != "clean accuracy" for metric in one.erosion.metrics)
    ]


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"

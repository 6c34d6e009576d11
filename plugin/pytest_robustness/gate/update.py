"""Which baselines an update run writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import Verdict


@dataclass(frozen=True)
class Update:
    """A baseline to be written. ``then`` is what it replaces."""

    now: Measurement
    then: Measurement | None
    verdict: Verdict

    def with_commit(self, commit: str | None) -> Update:
        """With the commit it was measured at."""
        provenance = self.now.provenance.model_copy(update={"commit": commit})
        return replace(self, now=self.now.model_copy(update={"provenance": provenance}))


def to_write(results: Iterable[Update]) -> Iterator[Update]:
    """Those whose baseline is missing, of another model or protocol, or whose values left their tolerance.

    The others keep their file, also one whose time rose: a diff should mean something.
    """
    for result in results:
        if (
            result.then is None
            or result.then.protocol != result.now.protocol
            or result.now.provenance.changes(result.then.provenance)
            or any(metric.metric != "time" or metric.outcome == "regressed" for metric in result.verdict.moved)
        ):
            yield result


def line(update: Update) -> str:
    """Old -> new of each metric, moves for the worse marked."""
    if update.then is None:
        return f"{update.now.case}: recorded"
    if not update.verdict.metrics:
        return f"{update.now.case}: recorded anew, {update.verdict.status}"
    marks = (f"{metric.text}{' WORSE' if metric.moved and metric.worse else ''}" for metric in update.verdict.metrics)
    return f"{update.now.case}: {'; '.join(marks)}"

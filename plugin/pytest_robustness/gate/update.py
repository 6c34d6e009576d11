"""Updates of baselines: which baselines an update run writes, and which it must not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_robustness.gate.pairing import missing_images
from pytest_robustness.gate.suspicion import failed_checks
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Verdict, count_images


@dataclass(frozen=True)
class Update:
    """Holds a baseline to be written, ``current``, and the one that it replaces, ``baseline``."""

    current: Measurement
    baseline: Measurement | None
    verdict: Verdict

    def with_commit(self, commit: str | None) -> Update:
        """Return the update with notes in its provenance.

        They are the commit it was measured at, the number of images that are missing since the first of its
        predecessors, and the failed masking checks of a suspicious value.
        """
        before = None if self.baseline is None else self.baseline.provenance.removed_images
        removed = (before or 0) + self.verdict.images.removed
        doubted = [finding.check for finding in failed_checks(self.current)] if self.suspicious else None
        noted = {"commit": commit, "removed_images": removed or None, "accepted_suspicious": doubted}
        provenance = self.current.provenance.model_copy(update=noted)
        return replace(self, current=self.current.model_copy(update={"provenance": provenance}))

    @property
    def moved(self) -> list[MetricVerdict]:
        """Return the metrics that left their tolerance. Time counts only when it fell."""
        return [one for one in self.verdict.moved if one.metric != "time" or one.outcome == "regressed"]

    @property
    def suspicious(self) -> list[str]:
        """Return what is suspicious, with its numbers."""
        return [metric.text for metric in self.verdict.metrics if metric.outcome == "suspicious"]

    def refusal(self, *, accept_removed_images: bool, accept_suspicious: bool = False) -> str | None:
        """Return why this baseline must not be written, and what to do. Returns None when it may be written.

        Images of the baseline must not get lost unnoticed, because they may be those that got worse. When a set grows
        while the model changes, new images would hide what became of the old ones. A suspicious value would be what the
        next change is compared with.
        """
        change = self.verdict.images
        if change.removed and not accept_removed_images:
            return f"{missing_images(change)}: restore them, or record without them by --accept-removed-images"
        moved = [one.text for one in self.moved if one.metric != "time"]
        if change.grown and moved:
            return (
                f"its images grew, and on those of the baseline {'; '.join(moved)}: record the changed model on the "
                "old set first, then let the set grow"
            )
        if self.suspicious and not accept_suspicious:
            return f"{'; '.join(self.suspicious)}: mend the model, or record it by --accept-suspicious"
        return None


def to_write(results: Iterable[Update]) -> Iterator[Update]:
    """Yield the updates whose baselines have to be written.

    These are those whose baseline is missing, of another model, protocol, image set or pixels, or whose values left
    their tolerance. They are also those whose baseline does not say what the masking checks found, or has a time that
    no run can be compared with.

    The others keep their file, also one whose time rose, because a diff should mean something. A set in another order
    is the same set.
    """
    for result in results:
        change = result.verdict.images
        if (
            result.baseline is None
            or result.baseline.protocol != result.current.protocol
            or result.current.provenance.changes(result.baseline.provenance)
            or (result.baseline.findings is None and result.current.findings is not None)
            or any(metric.record_anew for metric in result.verdict.metrics)
            or change.grown
            or change.removed
            or change.other_pixels
            or result.moved
        ):
            yield result


def line(update: Update) -> str:
    """Return old -> new of each metric, with moves for the worse marked, and what became of the images."""
    if update.baseline is None:
        return f"{update.current.case}: recorded"
    change = update.verdict.images
    counts = (
        (change.new, "", "{count} new {images}"),
        (change.new_unselected, "unselected ", "{count} new {images}"),
        (change.missing, "", "{count} {images} removed"),
        (change.missing_unselected, "unselected ", "{count} {images} removed"),
        (change.other_pixels, "corrupted ", "{count} {images} of other pixels"),
    )
    images = [count_images(count, kind, text) for count, kind, text in counts if count]
    if not update.verdict.metrics:
        return "; ".join([f"{update.current.case}: recorded anew, {update.verdict.status}", *images])
    marks = [f"{metric.text}{' WORSE' if metric.moved and metric.worse else ''}" for metric in update.verdict.metrics]
    return f"{update.current.case}: {'; '.join([*marks, *images])}"

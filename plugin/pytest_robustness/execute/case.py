"""Runs one case from start to end, the same in a test, a worker, another process or a notebook, without pytest."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from pytest_robustness.execute.measuring import Here, Measuring
from pytest_robustness.gate.anchor import Anchor
from pytest_robustness.gate.judge import check_attempts, judge, not_judged
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.moved_images import moved_images
from pytest_robustness.gate.pairing import FIRST_LISTED, Lists, pair
from pytest_robustness.gate.unchanged import is_unchanged, judge_unchanged
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import Verdict
from pytest_robustness.suite.suite import Case


def _no_pictures(verdict: Verdict) -> bool:
    return False


@dataclass(frozen=True)
class Request:
    """Says what is asked of a case besides its measurement.

    Attributes:
        anchor: a release that the case is also judged by; None when there is none.
        limit: number of images of a trial, which is timed and not judged; None for all images, judged.
        changed_only: whether a case that would only repeat its baseline is judged by it and not measured.
        accept_removed_images: whether images of the baseline may be missing; the others are judged.
        recording: whether the measurement is to become the baseline.
        known_lists: digests of the image lists that the result need not bring.
        wants_pictures: returns whether a case with this verdict gets a gallery.
    """

    anchor: Anchor | None = None
    limit: int | None = None
    changed_only: bool = False
    accept_removed_images: bool = False
    recording: bool = False
    known_lists: Container[str] = ()
    wants_pictures: Callable[[Verdict], bool] = _no_pictures


def run_case(
    case: Case,
    baseline: Measurement | None,
    request: Request,
    *,
    measuring: Measuring | None = None,
    stored_list: Callable[[str], ImageList] | None = None,
    measured: Callable[[Measurement], None] = lambda measurement: None,
) -> Result:
    """Measure a case and judge it by its baseline, its suite and the anchor, and by nothing else.

    Args:
        case: which model, attack and images.
        baseline: its stored measurement; None when there is none, which gives a verdict of its own.
        request: what is asked of it.
        measuring: where it is measured; None for this process.
        stored_list: returns, by its digest, the list of the images that the baseline is of; None when there are no
            lists: then the baseline can only be compared over the very same set.
        measured: called with the measurement, before it is judged; not called where nothing was measured.

    Raises:
        RobustnessError: in one line, when model, weights, images or attack are not what the suite promises.
    """
    measuring = measuring or Here(limit=request.limit)
    rules = replace(Rules.of(case), accept_removed_images=request.accept_removed_images)
    attacked, unselected = measuring.image_lists(case)
    own = [*([unselected] if unselected else []), attacked]  # of equal sets the last counts: it has the columns
    lists = Lists(own, stored_list) if stored_list else Lists(own)
    if baseline is not None and not request.limit:
        _check_lists(baseline, attacked, unselected, lists)
    if request.changed_only and baseline is not None:
        protocol, provenance = measuring.identify(case)
        if is_unchanged(baseline, protocol, provenance, attacked.identity, unselected.identity if unselected else None):
            verdict = _anchored(request.anchor, baseline, judge_unchanged(baseline, rules), rules, own, baseline)
            return Result(measurement=baseline, verdict=verdict)

    def needed(provenance: Provenance) -> bool:
        return needs_checks(baseline, provenance, request)

    measurement = measuring.measure(case, needed)
    hint = measuring.hint(case)
    if request.limit:
        measured(measurement)
        return Result(measurement=measurement, verdict=not_judged(case.id), estimate=measuring.estimate(), hint=hint)
    if baseline is not None and not needed(measurement.provenance):
        measurement = measurement.model_copy(update={"findings": baseline.findings})
    check_attempts(case, measurement, baseline, recording=request.recording, hint=hint)
    measured(measurement)
    verdict = judge(measurement, baseline, rules, lists)
    verdict = _anchored(request.anchor, measurement, verdict, rules, own, baseline)
    gallery = None
    if request.wants_pictures(verdict):
        lost, won = moved_images(pair(baseline, measurement, lists)) if baseline is not None else ([], [])
        gallery = measuring.gallery(case, measurement, lost, won)
    unsent = {one.digest: one for one in own if one.digest not in request.known_lists}
    return Result(
        measurement=measurement,
        verdict=verdict,
        gallery=gallery,
        image_lists=list(unsent.values()),
        hint=hint,
    )


def needs_checks(baseline: Measurement | None, provenance: Provenance, request: Request) -> bool:
    """Return whether the masking checks run anew: the model may not be the baseline's, or was never checked.

    A trial has none.
    """
    if request.limit:
        return False
    if baseline is None or not is_same_model(baseline.provenance, provenance):
        return True
    return baseline.findings is None and request.recording


def is_same_model(baseline: Provenance, current: Provenance) -> bool:
    """Return whether the model is known to be the same, its code and library included."""
    return current.code_digest is not None and baseline.torch == current.torch and not current.changes(baseline)


def _check_lists(baseline: Measurement, attacked: ImageList, unselected: ImageList | None, lists: Lists) -> None:
    """Raise RobustnessError, before the attack, when a list that is needed cannot be read."""
    if baseline.protocol.version >= FIRST_LISTED:
        lists.match(baseline.images, attacked.identity)
        lists.match(baseline.unselected, unselected.identity if unselected else None)


def _anchored(
    anchor: Anchor | None,
    measurement: Measurement,
    verdict: Verdict,
    rules: Rules,
    own: Sequence[ImageList],
    baseline: Measurement | None,
) -> Verdict:
    """Return the verdict by the baseline, or the anchor's when the baseline's passes and the anchor's does not."""
    if anchor is None:
        return verdict
    removed = baseline.provenance.removed_images if baseline else None
    return anchor.judge(measurement, verdict, rules, own, removed or 0)

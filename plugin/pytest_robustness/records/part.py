"""Parts of a case, each measured wherever there was room, and how parts are merged into a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from pydantic import Field, NonNegativeInt, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, is_none
from pytest_robustness.records.evidence import ATTACKED, Bit, Evidence
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.image_list import ImageSetId
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance


class Part(Record):
    """Holds the results of some of a case's images.

    ``places`` are the places of these images in the set ``images``. ``evidence`` is in the same order, without
    unselected images. ``findings`` are those of the masking checks, where they are known.
    """

    case: str
    images: ImageSetId
    places: list[NonNegativeInt]
    budget: NonNegativeInt | None
    timing: Timing
    protocol: Protocol
    provenance: Provenance
    evidence: Evidence
    findings: list[Finding] | None = Field(default=None, exclude_if=is_none)


class CleanPart(Record):
    """Holds whether the model is right or wrong about each of the images that were chosen blindly."""

    case: str
    images: ImageSetId
    correct: list[Bit]
    top_5: list[Bit] | None = None


def merge(parts: Sequence[Part], clean: CleanPart | None = None) -> Measurement:
    """Merge parts into the measurement of a case. The parts have each of its images once, in any order.

    Parts may come from several devices of one kind, whose results are equal bit by bit; the provenance lists them.

    Raises RobustnessError, naming the case, for parts of different cases, sets, protocols, models, versions of a
    library or kinds of device, for images that occur twice or not at all, and for answers that no measurement has.
    """
    if not parts:
        raise RobustnessError("there are no parts to be merged")
    first = parts[0]
    for case in [part.case for part in parts] + ([clean.case] if clean else []):
        if case != first.case:
            raise RobustnessError(f"{first.case}: cannot be merged with a part of {case}")
    for part in parts[1:]:
        if part.images != first.images:
            raise RobustnessError(f"{first.case}: cannot be merged: a part is of another image set")
        if difference := first.protocol.first_difference(part.protocol):
            raise RobustnessError(f"{first.case}: cannot be merged: another protocol: {difference}")
        if part.provenance.changes(first.provenance):
            raise RobustnessError(f"{first.case}: cannot be merged: a part is of another model")
        if reason := why_not_comparable(first.provenance, part.provenance):
            raise RobustnessError(f"{first.case}: not comparable: its parts were measured {reason}")
    whole = first.images.count
    places = [place for part in parts for place in part.places]
    if any(len(part.evidence.correct) != len(part.places) for part in parts) or any(place >= whole for place in places):
        raise RobustnessError(f"{first.case}: cannot be merged: a part's places are not those of its images")
    if len(set(places)) < len(places):
        raise RobustnessError(f"{first.case}: cannot be merged: an image is there twice")
    if missing := whole - len(places):
        raise RobustnessError(f"{first.case}: cannot be merged: {missing} of {whole} images are missing")
    order = sorted(range(len(places)), key=places.__getitem__)
    arrays: dict[str, Any] = {}
    for name in ATTACKED:
        given = [getattr(part.evidence, name) for part in parts]
        joined = None if None in given else list(chain.from_iterable(given))
        arrays[name] = None if joined is None else [joined[i] for i in order]
    try:
        return _measurement(parts, clean, arrays)
    except ValidationError as error:
        raise RobustnessError(f"{first.case}: cannot be merged: {first_problem(error)}") from None


def _measurement(parts: Sequence[Part], clean: CleanPart | None, arrays: dict[str, Any]) -> Measurement:
    """Return the measurement of parts that fit together; ``arrays`` are of all their images, in the set's order."""
    first, devices = parts[0], sorted({part.provenance.device for part in parts})
    return Measurement(
        schema=2,
        case=first.case,
        budget=first.budget,
        images=first.images,
        unselected=clean.images if clean else None,
        timing=merged_timing(
            [part.timing for part in parts],
            attempts=sum(arrays["correct"] or ()),
            images=first.images.count,
            devices=len(devices),
        ),
        protocol=first.protocol,
        provenance=first.provenance.model_copy(update={"device": "; ".join(devices)}),
        evidence=Evidence(
            **arrays,
            unselected_correct=clean.correct if clean else None,
            unselected_top_5=clean.top_5 if clean else None,
        ),
        findings=next((part.findings for part in parts if part.findings is not None), None),
    )


def why_not_comparable(one: Provenance, other: Provenance) -> str | None:
    """Return why the bits of two results may differ for no reason of the model. Returns None when they may not."""
    if one.computes_with != other.computes_with:
        return f"on different kinds of devices: {one.computes_with} and {other.computes_with}"
    for name, word in {"torch": "torch", "attacks": "attacks of", "images": "images by", "plugin": "version"}.items():
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            return f"with different versions: {word} {mine} and {theirs}"
    return None


#: Fields of a timing that are summed over the parts.
SUMS = ("attack_seconds", "rows", "gradient_rows", "padding", "rounds", "unit_seconds", "unit_rows")


def merged_timing(timings: Sequence[Timing], *, attempts: int, images: int, devices: int = 1) -> Timing:
    """Return the timing of several parts together, which were measured on so many products of one kind of device.

    Gradient units are computed from the sums. The timing of a single part is returned as it is, with the units that its
    rounds gave.
    """
    if len(timings) == 1:
        return timings[0]
    sums = {name: sum(getattr(one, name) for one in timings) for name in SUMS}
    unit = sums["unit_seconds"] / sums["unit_rows"] if sums["unit_rows"] else 0.0
    spreads = [one.unit_spread for one in timings if one.unit_spread is not None]
    peaks = [one.peak_memory for one in timings if one.peak_memory is not None]
    threads = {one.threads for one in timings}
    doubts = [one.doubt for one in timings if one.doubt is not None and one.rounds]
    differing = [("numbers of threads", len(threads)), ("devices", devices)]
    mixed = next((f"measured in parts with different {what}" for what, count in differing if count > 1), None)
    return Timing(
        seconds_per_attempt=round(sums["attack_seconds"] / attempts, 9) if attempts else None,
        gradient_units=round(sums["attack_seconds"] / unit / images, 4) if unit else None,
        unit_spread=max(spreads, default=None),
        peak_memory=max(peaks, default=None),
        threads=threads.pop() if len(threads) == 1 else None,
        doubt=next(iter(doubts), mixed) if attempts else "no attempts",
        **sums,
    )

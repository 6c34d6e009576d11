"""Pairs two measurements image by image: an image is the same one wherever it lies in its set."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.image_list import ImageList, ImageSetId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import OTHER_PIXELS, SetChange, count_images

#: Number of missing images that are named.
NAMED = 3
#: The first version of protocols whose image sets have lists.
FIRST_LISTED = 2


@dataclass(frozen=True)
class Match:
    """Says which images two sets share.

    Attributes:
        before, after: the places of the shared images in the first and in the second set, in the first one's order.
        missing, new: how many images of the first set the second does not have, and how many of the second the first.
        named: the first of the missing images, as a person may find them: a key's beginning and the label.
    """

    before: Sequence[int]
    after: Sequence[int]
    missing: int = 0
    new: int = 0
    named: Sequence[str] = ()


def match(before: ImageList, after: ImageList) -> Match:
    """Find each image of one list in another, by key and label. Of equal images, the k-th is matched to the k-th."""
    places: dict[tuple[str, int], deque[int]] = defaultdict(deque)
    for place, image in enumerate(zip(after.keys, after.labels, strict=True)):
        places[image].append(place)
    found = [
        places[image].popleft() if places[image] else None for image in zip(before.keys, before.labels, strict=True)
    ]
    shared = [place for place, other in enumerate(found) if other is not None]
    missing = [place for place, other in enumerate(found) if other is None]
    return Match(
        before=shared,
        after=[other for other in found if other is not None],
        missing=len(missing),
        new=len(after.keys) - len(shared),
        named=[f"{before.keys[place][:12]} of class {before.labels[place]}" for place in missing[:NAMED]],
    )


def _not_stored(digest: str) -> ImageList:
    raise RobustnessError(f"images {digest[:16]}: their list is not known here")


class Lists:
    """Looks up image lists by their digest.

    Args:
        own: the lists of the run itself.
        stored: returns a list that was stored, or raises RobustnessError that names the file.
    """

    def __init__(self, own: Iterable[ImageList] = (), stored: Callable[[str], ImageList] = _not_stored) -> None:
        self._known = {one.digest: one for one in own}
        self._stored = stored
        self._matches: dict[tuple[str, str], Match] = {}

    def __getitem__(self, digest: str) -> ImageList:
        if digest not in self._known:
            self._known[digest] = self._stored(digest)
        return self._known[digest]

    def match(self, before: ImageSetId | None, after: ImageSetId | None) -> Match:
        """Return which images two sets share. Equal sets need no lists.

        None stands for a set that a suite does not have.
        """
        if before == after or before is None or after is None:
            counts = [0 if one is None else one.count for one in (before, after)]
            shared = range(counts[0] if before == after else 0)
            return Match(shared, shared, counts[0] - len(shared), counts[1] - len(shared))
        key = before.digest, after.digest
        if key not in self._matches:
            self._matches[key] = match(self[before.digest], self[after.digest])
        return self._matches[key]


@dataclass(frozen=True)
class Pair:
    """Holds two measurements of the same images in the same order: the baseline's images that both have.

    Attributes:
        baseline, current: the baseline and the measurement, with these images only.
        places: where the images lie in the present set. A place identifies an image in several pairs.
        images: the whole present set.
        unselected_places, unselected: the same for the images for clean accuracy.
        change: how the images of the two differ otherwise.
        difference: of their protocols, for two that cannot be compared at all. Then ``places`` is empty when the
            baseline's image set has no list.
    """

    baseline: Measurement
    current: Measurement
    places: Sequence[int]
    images: ImageSetId
    unselected_places: Sequence[int] = ()
    unselected: ImageSetId | None = None
    change: SetChange = field(default_factory=SetChange)
    difference: str | None = None

    @classmethod
    def of_same_images(cls, baseline: Measurement, current: Measurement) -> Pair:
        """Pair two measurements over one image set, whatever else differs: two models of one run."""
        blind = current.unselected
        return cls(
            baseline, current, range(current.images.count), current.images, range(blind.count if blind else 0), blind
        )

    def problem(self, *, accept_removed: bool = False) -> str | None:
        """Return why they cannot be compared, and what to do. Returns None when they can be."""
        if self.change.removed and not accept_removed:
            return (
                f"not comparable: {missing_images(self.change)}: restore them, or accept it by --accept-removed-images"
            )
        if self.difference is not None:
            return f"not comparable, re-record: the baseline's protocol differs in {self.difference}"
        if self.change.missing and not self.places:
            return "not comparable, re-record: no image of the baseline is left"
        if self.change.other_pixels and not self._attempted_twice:
            return count_images(
                self.change.other_pixels, "corrupted ", f"not comparable, re-record: all {OTHER_PIXELS}"
            )
        return None

    @property
    def _attempted_twice(self) -> bool:
        return any(map(all, zip(self.baseline.evidence.correct, self.current.evidence.correct, strict=True)))


def missing_images(change: SetChange) -> str:
    """Say how many images of the baseline are missing, and which the first of them are."""
    counts = ((change.missing, ""), (change.missing_unselected, "unselected "))
    told = " and ".join(count_images(count, kind, "{count} {images}") for count, kind in counts if count)
    more = ", ..." if change.removed > len(change.named) else ""
    named = f" ({', '.join(change.named)}{more})" if change.named else ""
    return f"{told} of the baseline {'is' if change.removed == 1 else 'are'} missing{named}"


def pair(baseline: Measurement, current: Measurement, lists: Lists) -> Pair:
    """Pair a baseline and a measurement image by image.

    Raises RobustnessError, naming the file, when the sets differ and one of their lists is not available.
    """
    difference = _difference(baseline, current)
    if baseline.protocol.version < FIRST_LISTED and difference is not None:
        return Pair(baseline, current, (), current.images, difference=difference)
    attacked, blind = lists.match(baseline.images, current.images), lists.match(baseline.unselected, current.unselected)
    shared = list(zip(attacked.before, attacked.after, strict=True))
    kept = [both for both in shared if not _other_pixels(baseline.evidence, current.evidence, *both)]
    change = SetChange(
        new=attacked.new,
        missing=attacked.missing,
        new_unselected=blind.new,
        missing_unselected=blind.missing,
        other_pixels=len(shared) - len(kept),
        named=[*attacked.named, *blind.named][:NAMED],
    )
    before, after = [one for one, _ in kept], [other for _, other in kept]
    part_then, part_now = _part(baseline, before, blind.before), _part(current, after, blind.after)
    if not change.new and not change.missing:  # the same set, in any order
        part_now = part_now.model_copy(update={"images": part_then.images})
    return Pair(part_then, part_now, after, current.images, blind.after, current.unselected, change, difference)


def digests(measurements: Iterable[Measurement]) -> set[str]:
    """Return the digests of the image sets that measurements are of, as far as such sets have lists."""
    listed = [one for one in measurements if one.protocol.version >= FIRST_LISTED]
    return {of.digest for one in listed for of in (one.images, one.unselected) if of is not None}


def _difference(baseline: Measurement, current: Measurement) -> str | None:
    versions = baseline.protocol.version, current.protocol.version
    if versions[0] != versions[1]:  # what else differs follows from it
        return f"version: {versions[0]} is now {versions[1]}"
    return baseline.protocol.first_difference(current.protocol)


def _other_pixels(baseline: Evidence, current: Evidence, before: int, after: int) -> bool:
    """Return whether an image was corrupted into other pixels.

    Returns False when it was no attempt in one of the runs.
    """
    one = None if baseline.pixels is None else baseline.pixels[before]
    other = None if current.pixels is None else current.pixels[after]
    return one is not None and other is not None and one != other


def _part(one: Measurement, images: Sequence[int], unselected: Sequence[int]) -> Measurement:
    """Return the part of a measurement with some images.

    Returns the measurement itself when nothing of it is left out or moved.
    """
    count = 0 if one.unselected is None else one.unselected.count
    whole = list(images) == list(range(one.images.count)) and list(unselected) == list(range(count))
    return one if whole else one.at(images, unselected)

"""Which images are of which slice: of one class, or of one value of a column of their list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.records.image_list import ImageList, ImageSetId
from pytest_robustness.suite.slices import CLASS
from pytest_robustness.suite.suite import Suite

#: Fewer images are no slice: nothing could be said of them.
LEAST_IN_SLICE = 20


class Keys:
    """The images of sets by key; where a list cannot be had, by its set and place."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def keys(self, images: ImageSetId) -> Sequence[str]:
        """One an image, in the set's order."""
        known = self.list_of(images)
        return [f"{images.digest}/{place}" for place in range(images.count)] if known is None else known.keys

    def list_of(self, images: ImageSetId) -> ImageList | None:
        """Return what is known of a set's images; None where nothing is."""
        try:
            return self._lists[images.digest]
        except RobustnessError:
            return None


def slices_of(suite: Suite, pair: Pair, keys: Keys) -> Iterator[tuple[str, list[int]]]:
    """What each slice of a pair is called, and which of the shared images it has, if they are enough."""
    for column in suite.sliced_by:
        yield from _of_column(suite, pair, keys, column)


def _of_column(suite: Suite, pair: Pair, keys: Keys, column: str) -> Iterator[tuple[str, list[int]]]:
    known = keys.list_of(pair.images)
    values = [] if known is None else _values(suite, known, column)
    members: dict[str, list[int]] = {}
    for i, place in enumerate(pair.places if values else ()):
        members.setdefault(values[place], []).append(i)
    for value in sorted(members):
        if len(members[value]) >= LEAST_IN_SLICE:
            yield f"{column} {value or repr('')}", members[value]


def unsliced(suite: Suite, pairs: Mapping[str, Pair], lists: Lists) -> Iterator[str]:
    """What there is to slice by and nothing is known of, though something changed."""
    keys = Keys(lists)
    known = [keys.list_of(one.images) for one in pairs.values() if one.then.evidence != one.now.evidence]
    if suite.sliced_by and None in known:
        yield "slices: the run has no list of its images, so nothing is known of its slices"
    for column in suite.columns:
        if any(one is not None and column not in one.columns for one in known):
            yield f"slices: the run's list of images has no column {column!r}, so nothing is known of its slices"


def too_small(suite: Suite, pairs: Mapping[str, Pair], lists: Lists) -> Iterator[str]:
    """What the suite's file slices by, where no value has enough images."""
    keys = Keys(lists)
    for column in suite.slices or ():
        known = [one for one in pairs.values() if (found := keys.list_of(one.images)) and _values(suite, found, column)]
        if known and not any(True for one in known for _ in _of_column(suite, one, keys, column)):
            yield f"slices: no {column} has {LEAST_IN_SLICE} images, so none is judged"


def _values(suite: Suite, known: ImageList, column: str) -> Sequence[str]:
    """Of each image of a list; none where it has no such column."""
    if column == CLASS:
        return [suite.class_name(label) for label in known.labels]
    return known.columns.get(column, [])

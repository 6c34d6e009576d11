"""Slices: which images are of one class, or have one value of a column of their list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.records.image_list import ImageList, ImageSetId
from pytest_robustness.suite.slices import CLASS
from pytest_robustness.suite.suite import Suite

#: Least number of images of a slice. Nothing could be said about fewer.
LEAST_IN_SLICE = 20


class Keys:
    """Gives each image of a set a key.

    It is the key in the set's list. When the list is not available, the key is made of the set and the image's place.
    """

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def keys(self, images: ImageSetId) -> Sequence[str]:
        """Return one key per image, in the set's order."""
        known = self.list_of(images)
        return [f"{images.digest}/{place}" for place in range(images.count)] if known is None else known.keys

    def list_of(self, images: ImageSetId) -> ImageList | None:
        """Return the list of a set's images. Returns None when it is not available."""
        try:
            return self._lists[images.digest]
        except RobustnessError:
            return None


def slices_of(suite: Suite, pair: Pair, keys: Keys) -> Iterator[tuple[str, list[int]]]:
    """Yield each slice of a pair that has enough images: its name, and which of the shared images it has."""
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
    """Yield a line when something changed, but the images' list or a column to slice by is missing."""
    keys = Keys(lists)
    known = [keys.list_of(one.images) for one in pairs.values() if one.baseline.evidence != one.current.evidence]
    if suite.sliced_by and None in known:
        yield "slices: the run has no list of its images, so nothing is known of its slices"
    for column in suite.columns:
        if any(one is not None and column not in one.columns for one in known):
            yield f"slices: the run's list of images has no column {column!r}, so nothing is known of its slices"


def too_small(suite: Suite, pairs: Mapping[str, Pair], lists: Lists) -> Iterator[str]:
    """Yield a line for each column that the suite's file slices by and of which no value has enough images."""
    keys = Keys(lists)
    for column in suite.slices or ():
        known = [one for one in pairs.values() if (found := keys.list_of(one.images)) and _values(suite, found, column)]
        if known and not any(True for one in known for _ in _of_column(suite, one, keys, column)):
            yield f"slices: no {column} has {LEAST_IN_SLICE} images, so none is judged"


def _values(suite: Suite, known: ImageList, column: str) -> Sequence[str]:
    """Return a column's value for each image of a list. It is empty when the list has no such column."""
    if column == CLASS:
        return [suite.class_name(label) for label in known.labels]
    return known.columns.get(column, [])

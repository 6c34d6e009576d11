"""Draws images from a data set and prepares them: what cannot be read, or is there twice, is named and replaced."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.preprocessing import Pixels, as_read, prepare, quietly
from pytest_robustness.evaluate.images.sources.base import Source
from pytest_robustness.records.protocol import Preprocessing

#: Modes of Pillow's images that have no colours.
GREY = ("1", "L", "LA", "La", "I", "F")


@dataclass
class Drawn:
    """Holds what was drawn.

    Attributes:
        images: by its position in the source, (H, W, C) uint8 of each image.
        keys: by its position, the digest that tells two images of one content.
        unreadable: what cannot be read, and why.
        twice: names of images that are left out because an earlier one has the same content and label.
        contradicting: the same of images to which an earlier one gives another label.
    """

    images: dict[int, Pixels] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    contradicting: list[str] = field(default_factory=list)

    @property
    def positions(self) -> list[int]:
        return sorted(self.images)


def draw(
    source: Source,
    limit: int | None,
    seed: int,
    *,
    balanced: bool,
    preprocessing: Preprocessing | None,
    mode: str | None,
    by_file: bool,
) -> Drawn:
    """Draw images at random and prepare them; an image that cannot be used is replaced by the next that was drawn.

    Args:
        source: where from.
        limit: how many; None means all.
        seed: of the order.
        balanced: as many of each class as there are, else whatever comes, so that classes keep their shares.
        preprocessing: None means as they are, which needs images of one size.
        mode: ``RGB`` or ``L``; None means ``L`` where all images are grey.
        by_file: whether an image is told from others by its file, else by its pixels.

    Raises RobustnessError when images differ in size and there is no preprocessing, or none can be read.
    """
    wanted = len(source.labels) if limit is None else limit
    order = _Order(source.labels, seed, balanced=balanced)
    drawn, colours = Drawn(), False
    with quietly(), tqdm(total=wanted, unit="image", desc="drawing", disable=None) as bar:
        while len(drawn.images) < wanted and (wave := list(order.wave(wanted - len(drawn.images)))):
            for position in wave:
                bar.update()
                read = _prepared(source, position, drawn, preprocessing, by_file=by_file)
                if read is not None:
                    pixels, grey = read
                    colours = colours or not grey
                    drawn.images[position] = pixels
                    order.count(position)
    if not drawn.images:
        raise RobustnessError(f"{source.title}: no image can be read: {drawn.unreadable[0]}")
    if mode == "L" or (mode is None and not colours):
        drawn.images = {position: _grey(image) for position, image in drawn.images.items()}
    return drawn


class _Order:
    """Holds the images that were not tried yet, in seeded order, and says which are the next."""

    def __init__(self, labels: Sequence[int], seed: int, *, balanced: bool) -> None:
        self.group = labels if balanced else [0] * len(labels)  # blindly: all are of one group
        self.waiting: dict[int, list[int]] = defaultdict(list)
        for position in np.random.default_rng([seed, 2]).permutation(len(labels)).tolist():
            self.waiting[self.group[position]].append(position)
        for queue in self.waiting.values():
            queue.reverse()  # the next is the last
        self.counts: Counter[int] = Counter()
        self.ranks = {group: rank for rank, group in enumerate(self.waiting)}

    def count(self, position: int) -> None:
        """Count an image that was drawn for its group."""
        self.counts[self.group[position]] += 1

    def wave(self, wanted: int) -> Iterator[int]:
        """Yield the next images, each of a group of which the fewest were drawn so far."""
        heap = [(self.counts[group], rank, group) for group, rank in self.ranks.items() if self.waiting[group]]
        heapify(heap)
        while heap and wanted:
            count, rank, group = heappop(heap)
            yield self.waiting[group].pop()
            wanted -= 1
            if self.waiting[group]:
                heappush(heap, (count + 1, rank, group))


def _prepared(
    source: Source, position: int, drawn: Drawn, preprocessing: Preprocessing | None, *, by_file: bool
) -> tuple[Pixels, bool] | None:
    """Return an image as (H, W, 3) and whether it is grey. Returns None, and names it, where it cannot be used."""
    name = source.name(position)
    try:
        data = source.read(position)
        image, own = as_read(data)
        rules = preprocessing or Preprocessing(resize=[image.height, image.width], crop=[image.height, image.width])
        pixels = prepare(image, rules).transpose(1, 2, 0)
    except (OSError, RobustnessError) as error:
        why = error.strerror or error if isinstance(error, OSError) else error
        drawn.unreadable.append(f"{name} ({why})")
        return None
    first = next(iter(drawn.images.values()), pixels)
    if pixels.shape != first.shape:
        sizes = " and ".join(f"{shape[1]} x {shape[0]}" for shape in (first.shape, pixels.shape))
        raise RobustnessError(f"{source.title}: images of {sizes} pixels, as {name}: give --size")
    key = sha256(data if by_file and isinstance(data, bytes) else np.ascontiguousarray(pixels).tobytes()).hexdigest()
    before = drawn.keys.setdefault(key, position)
    if before != position:
        same = source.labels[before] == source.labels[position]
        said = f"{name} (as {source.name(before)})" if same else f"{name} (as {source.name(before)}, another label)"
        (drawn.twice if same else drawn.contradicting).append(said)
        return None
    return np.ascontiguousarray(pixels), own in GREY or own.startswith("I;")


def _grey(image: NDArray[np.uint8]) -> Pixels:
    """Return an image in grey by ITU-R 601-2, as Pillow converts. One whose channels are equal keeps its values."""
    return np.asarray(Image.fromarray(image).convert("L"))[:, :, None]

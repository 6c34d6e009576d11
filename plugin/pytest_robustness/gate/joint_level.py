"""One level for a whole model: several hypotheses about the same images, judged together by joint sign flips.

A hypothesis has one whole number per image: its difference, positive where the image got worse. If a change made the
model neither better nor worse, an image is as likely to have its two results exchanged, which changes the signs of
*all* its differences at once. Such flips keep everything that hypotheses have in common, so the smallest of their
weighted p values can be compared with what it would be by chance.

**The statistic.** Each hypothesis has its own exact p value, ``sign_flip``'s, and a declared weight. The statistic T
is the smallest p / weight. The same function is computed for 65,535 flips of the images. The family p value of a
hypothesis is the share of flips, the observed signs among them, whose T is at most its own p / weight. A model alarms
where a family p value is at most alpha.

**What is dropped.** A hypothesis without a difference has no part in T. Hypotheses that are twins (equal differences,
or equal but for a common positive factor) have one part in T, with the largest of their weights. Which hypotheses these
are depends on absolute values and on which signs of an image agree. No flip changes either, so T stays the same
function under every flip, and the level is kept. The weight that becomes free need not be handed out: ranks of T do not
change when all weights are multiplied by one number.

**It contains Bonferroni's test**, also with the weight that became free. Let L be the sum of the weights that have
a part in T, at most 1. Bonferroni rejects where T <= alpha / L. A family p value is the smaller of the rank and L x T:
both are thresholds on the same T, so together they reject with the larger of their probabilities, not with the sum.
Hence a case that decides alone, p <= alpha x weight, is never contradicted, and a full run can only add failures.

**Its level** is alpha, by Fisher's argument, apart from the chance in which flips were drawn. The flips follow from the
images' keys, so they are the same on every machine, in any order and for any choice of hypotheses. The standard error
of the level is sqrt(alpha (1 - alpha) / 65,535), 0.09 points at 5 %.

Beyond 5,000 images that have a difference, flips are replaced by normal draws with the flips' covariance, and the
exact own p values are compared with the draws' normal ones.

Source: Westfall and Young, "Resampling-based multiple testing"; the weights are those of Genovese, Roeder and
Wasserman, "False discovery control with p-value weighting".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.flip_distribution import FlipDistribution, Floats, Ints, on_grid

#: Number of flips. The observed signs are one more, so ranks are multiples of 2 ** -16.
FLIPS = 2**16 - 1
#: Largest number of images with a difference for which flips are used. Beyond it, normal draws are used.
MOST_FLIPPED = 5000
#: Number of signs that are unpacked at once.
CHUNK = 2**22
#: Added to the correlations' diagonal, so that there is a Cholesky factor where a hypothesis is a sum of others.
RIDGE = 1e-9


@dataclass(frozen=True)
class Hypothesis:
    """Holds one statement about a model.

    Attributes:
        name: unique among those that are judged together.
        weight: its share of alpha, positive. The suite declares it, and it never depends on the data. The weights of a
            model sum to 1 at most.
        differences: a whole number for each image, by the image's key: positive where the image got worse, 0 (or no
            entry) where it does not count. By key, so that an image of two sets has one sign. An image that is twice in
            one set has the sum of its differences.
    """

    name: str
    weight: float
    differences: Mapping[str, int]


@dataclass(frozen=True)
class PValues:
    """Holds the one-sided p values of a hypothesis in one direction.

    Attributes:
        own: the exact p value of the hypothesis by itself.
        family: its p value among all hypotheses of the model, to be compared with alpha.
    """

    own: float
    family: float


@dataclass(frozen=True)
class Directions:
    """Holds the p values that a hypothesis' images got worse, and that they got better."""

    worse: PValues
    better: PValues


NOTHING = Directions(PValues(1.0, 1.0), PValues(1.0, 1.0))


def joint_p_values(hypotheses: Sequence[Hypothesis]) -> dict[str, Directions]:
    """Return the p values of hypotheses about one model, by name, in both directions.

    "Better" is the same test of the negated differences, at its own level: an alarm for the worse and a claim of an
    improvement are two families. A hypothesis without a difference has p values of 1.

    Raises:
        RobustnessError: names repeat, a weight is not positive, or the weights' sum is above 1.
    """
    _check(hypotheses)
    found = {one.name: NOTHING for one in hypotheses}
    columns = _columns(hypotheses)
    if not columns:
        return found
    images = sorted({image for column in columns for image in column.images})
    ranks = _flipped(columns, images) if len(images) <= MOST_FLIPPED else _drawn(columns, images)
    shared = math.fsum(column.weight for column in columns)
    for i, column in enumerate(columns):
        worse, better = (
            PValues(own, min(1.0, rank, shared * own / column.weight))
            for own, rank in zip(column.own, (ranks[0][i], ranks[1][i]), strict=True)
        )
        found |= {name: Directions(worse, better) for name in column.names}
    return found


@dataclass
class _Column:
    """Holds hypotheses whose differences are equal on the grid of the test, and their common distribution."""

    images: list[str]
    differences: Ints
    weight: float
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.distribution = FlipDistribution(np.abs(self.differences))
        self.drawn = int(self.differences[self.differences > 0].sum())
        drawn = (self.drawn, self.distribution.total - self.drawn)
        self.own = tuple(self.distribution.at_least(one) for one in drawn)


def _check(hypotheses: Sequence[Hypothesis]) -> None:
    names = [one.name for one in hypotheses]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RobustnessError(f"two hypotheses are called {twice!r}: each needs a name of its own")
    for one in hypotheses:
        if not one.weight > 0:
            raise RobustnessError(f"hypothesis {one.name!r} has weight {one.weight}: a weight is above 0")
    if (total := math.fsum(one.weight for one in hypotheses)) > 1 + 1e-9:
        raise RobustnessError(f"the hypotheses' weights add up to {total:.4g}: their sum is 1 at most")


def _columns(hypotheses: Sequence[Hypothesis]) -> list[_Column]:
    """Return the hypotheses that have a difference, with twins together.

    Their order does not depend on the given one.
    """
    groups: dict[tuple[tuple[str, ...], bytes], list[Hypothesis]] = {}
    for one in sorted(hypotheses, key=lambda one: one.name):
        items = sorted((image, value) for image, value in one.differences.items() if value)
        values = on_grid([value for _, value in items])
        kept = values != 0  # zeros are differences below half a step of the grid
        images = tuple(image for (image, _), keep in zip(items, kept.tolist(), strict=True) if keep)
        if images:
            groups.setdefault((images, values[kept].tobytes()), []).append(one)
    return [
        _Column(
            list(images),
            np.frombuffer(values, np.int64),
            max(one.weight for one in twins),
            [one.name for one in twins],
        )
        for (images, values), twins in groups.items()
    ]


def _table(columns: Sequence[_Column], images: Sequence[str], dtype: type[np.floating]) -> NDArray[np.floating]:
    """Return the (images, columns) table of differences."""
    places = {image: place for place, image in enumerate(images)}
    table = np.zeros((len(images), len(columns)), dtype)
    for i, column in enumerate(columns):
        table[[places[image] for image in column.images], i] = column.differences
    return table


# --- flips ---------------------------------------------------------------------------------------------------------


def _flipped(columns: Sequence[_Column], images: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return each column's rank among the flips, for worse and for better.

    Sums are of whole numbers and below 2 ** 24, which the grid ensures. So they are exact in float32 whatever the order
    of summation, the library or the processor.
    """
    table = _table(columns, images, np.float32)
    turned = np.empty((FLIPS + 1, len(columns)), np.float32)  # the sum of those differences that change their sign
    start = 0
    for bits in _turned(images):
        turned[start : start + bits.shape[1]] = bits.T @ table
        start += bits.shape[1]
    turned[0] = 0
    smallest = np.full((2, FLIPS + 1), np.inf)
    observed = np.empty((2, len(columns)))
    for i, column in enumerate(columns):
        tails = column.distribution.table() / column.weight
        drawn = column.drawn - turned[:, i].astype(np.int64)
        for direction, sums in enumerate((drawn, column.distribution.total - drawn)):
            values = tails[sums]
            np.minimum(smallest[direction], values, out=smallest[direction])
            observed[direction, i] = values[0]
    worse, better = (_ranks(*each) for each in zip(smallest, observed, strict=True))
    return worse, better


def _turned(images: Sequence[str]) -> Iterator[NDArray[np.float32]]:
    """Yield (images, some flips) arrays, several times: 1 where a flip changes an image's sign.

    The bits follow from an image's key alone. So they are the same on any machine, in any order and in any image set.
    """
    size = (FLIPS + 1) // 8
    bits = np.stack(
        [np.frombuffer(hashlib.shake_256(f"sign flip/{image}".encode()).digest(size), np.uint8) for image in images]
    )
    step = max(1, CHUNK // 8 // len(images))
    for start in range(0, size, step):
        yield np.unpackbits(bits[:, start : start + step], axis=1).astype(np.float32)


# --- normal draws --------------------------------------------------------------------------------------------------


def _drawn(columns: Sequence[_Column], images: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return each column's rank among normal draws, for worse and for better.

    The draws have the covariance that flips have, the sum of products of differences. The stream of ``RandomState`` is
    frozen by numpy, and its seed follows from the images' keys. A Cholesky factor is unique, so machines differ by
    rounding only, which changes a rank where a draw lies on its edge.
    """
    table = _table(columns, images, np.float64)
    covariance = table.T @ table
    del table
    scale = 1 / np.sqrt(np.diag(covariance))
    factor = np.linalg.cholesky(covariance * np.outer(scale, scale) + RIDGE * np.eye(len(columns)))
    digest = hashlib.sha256("".join(f"normal draw/{image}\n" for image in images).encode()).digest()
    source = np.random.RandomState(np.frombuffer(digest, "<u4"))
    # the smallest of 2 ** 16 draws of 80 columns has z = 5.2
    grid = np.linspace(-9, 9, 18 * 2**9 + 1)
    log_tails = np.log([math.erfc(z / math.sqrt(2)) / 2 for z in grid.tolist()])
    log_weights = np.log([column.weight for column in columns])
    smallest = np.empty(FLIPS)  # for both directions: a draw is as likely with the opposite sign
    step = max(1, CHUNK // len(columns))
    for start in range(0, FLIPS, step):
        draws = source.standard_normal((min(step, FLIPS - start), len(columns))) @ factor.T
        smallest[start : start + step] = (np.interp(draws, grid, log_tails) - log_weights).min(1)
    own = np.log([column.own for column in columns]).T - log_weights
    worse, better = (_ranks(np.append(smallest, each.min()), each) for each in own)
    return worse, better


def _ranks(smallest: Floats, observed: Floats) -> list[float]:
    """Return for each observed value the share of the smallest values that are at most as large."""
    ranks: list[float] = (np.searchsorted(np.sort(smallest), observed, side="right") / len(smallest)).tolist()
    return ranks

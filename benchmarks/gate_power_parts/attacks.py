"""Power of several attacks together: one change seen by attacks that fail on the same images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from pytest_robustness.gate.metrics import ROUNDING
from pytest_robustness.gate.statistics import sign_flip
from scipy.optimize import brentq
from scipy.stats import binom, norm

from gate_power_parts.evidence import Side
from gate_power_parts.power import Setup

ATTACKS = 3
#: Every way an image can change under the attacks: -1 won, 0 as before, 1 lost.
WAYS = np.array(list(product((-1, 0, 1), repeat=ATTACKS)))
NODES, WEIGHTS = hermegauss(61)
RUNS = 1000


@dataclass(frozen=True)
class Powers:
    """Chances that the first attack's case, any case, the pooled test, and the gate (any of them) catch a change."""

    one: float
    any_case: float
    pooled: float
    gate: float


def chances(setup: Setup, correlation: float) -> np.ndarray:
    """Of each of ``WAYS``, with the same shift for each attack: normal variables of one common factor, cut."""
    weights = WEIGHTS / WEIGHTS.sum()
    cuts = norm.ppf([setup.won, 1 - setup.lost])
    below, above = (norm.cdf((cut - np.sqrt(correlation) * NODES) / np.sqrt(1 - correlation)) for cut in cuts)
    each = {-1: below, 0: above - below, 1: 1 - above}
    cells = np.array([weights @ np.prod([each[change] for change in way], axis=0) for way in WAYS.tolist()])
    cells = np.maximum(cells, 0)
    return cells / cells.sum()


def latent_correlation(pairs: Iterable[tuple[Side, Side]], attacks: tuple[int, int]) -> tuple[float, float]:
    """What ``chances`` needs for two attacks' differences to be correlated as on these models, and that correlation."""
    products, squares = 0.0, np.zeros(2)
    images = 0
    for one, other in pairs:
        both = (one.correct & other.correct).astype(bool)
        first, second = ((other.success - one.success)[row, both] for row in attacks)
        products += float(first @ second)
        squares += [float(first @ first), float(second @ second)]
        images += int(both.sum())
    wanted = products / float(np.sqrt(squares.prod()))
    discordance = float(squares.mean()) / images

    def excess(correlation: float) -> float:
        cells = chances(Setup(images, discordance, 0.0), correlation)
        return float(cells @ (WAYS[:, 0] * WAYS[:, 1])) / discordance - wanted

    return float(brentq(excess, 0.0, 0.999)), wanted


def powers(
    setup: Setup, correlation: float, level: float, pooled_level: float, tolerance: float, moving: int = ATTACKS
) -> Powers:
    """Simulated, ``RUNS`` times. Attacks after the first ``moving`` never change: they fool every image, say."""
    ways = WAYS * (np.arange(ATTACKS) < moving)
    rng = np.random.default_rng([setup.images, round(1000 * setup.discordance)])
    counts = rng.multinomial(setup.images, chances(setup, correlation), RUNS)
    caught = np.stack([_case(counts, ways[:, attack], setup.images, level, tolerance) for attack in range(ATTACKS)])
    pooled = np.array([_pooled(row, ways.sum(1), moving * setup.images, pooled_level, tolerance) for row in counts])
    some = caught.any(0)
    return Powers(*(float(value.mean()) for value in (caught[0], some, pooled, some | pooled)))


def _case(counts: np.ndarray, ways: np.ndarray, images: int, level: float, tolerance: float) -> np.ndarray:
    lost = counts @ (ways == 1)
    won = counts @ (ways == -1)
    return ((lost - won) / images > tolerance + ROUNDING) & (binom.sf(lost - 1, lost + won, 0.5) <= level)


def _pooled(counts: np.ndarray, sums: np.ndarray, comparisons: int, level: float, tolerance: float) -> bool:
    """The pooled test of one run; where the normal approximation leaves no doubt it is taken.

    ``comparisons`` are images times attacks that change at all: the gate leaves the others out of the average.
    """
    total = int(counts @ sums)
    if total / comparisons <= tolerance + ROUNDING:
        return False
    changed = int(counts[sums != 0].sum())
    doubt = total / np.sqrt(float(counts @ sums**2)) - norm.isf(level)
    if abs(doubt) > 4 / np.sqrt(changed):
        return bool(doubt > 0)
    return sign_flip(np.repeat(sums, counts).tolist()) <= level

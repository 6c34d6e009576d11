"""Power of one case, exactly: the chance that a change of given size and discordance is caught.

Of ``images`` images a share ``discordance`` changes its outcome, ``shift`` more to the worse than to the better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pytest_robustness.gate.metrics import ROUNDING
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy
from scipy.stats import binom, norm

#: Standard deviations beyond which outcomes are left out of a sum.
REACH = 9
#: What an unpaired test sees of the rate itself: FGSM's success rate on the zoo is about this.
BASE_RATE = 0.6
UNPAIRED_RUNS = 4000
#: Logarithm of no chance at all.
IMPOSSIBLE = -1e6
CAUGHT = 0.8


@dataclass(frozen=True)
class Setup:
    """Images, the share of them that changes, and how many more points get worse than better."""

    images: int
    discordance: float
    shift: float

    @property
    def lost(self) -> float:
        return (self.discordance + self.shift) / 2

    @property
    def won(self) -> float:
        return max((self.discordance - self.shift) / 2, 0.0)


Power = Callable[[Setup], float]


def paired(setup: Setup, level: float, tolerance: float) -> float:
    """Power of McNemar's exact test at ``level`` (1: no test) together with a tolerance (-1: none)."""
    changed, chances = _changed(setup)
    least = np.floor((changed + setup.images * (tolerance + ROUNDING)) / 2) + 1
    if level < 1:
        least = np.maximum(least, binom.isf(level, changed, 0.5) + 1)
    return float(chances @ binom.sf(least - 1, changed, setup.lost / setup.discordance))


def _changed(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of changed images that are likely at all, with their chances."""
    middle, spread = binom.mean(setup.images, setup.discordance), binom.std(setup.images, setup.discordance)
    low, high = max(0, int(middle - REACH * spread)), min(setup.images, int(middle + REACH * spread) + 1)
    changed = np.arange(low, high + 1)
    return changed, binom.pmf(changed, setup.images, setup.discordance)


def best_attainable(setup: Setup, level: float) -> float:
    """Power of the most powerful test at ``level`` of no shift against this one, the discordance known.

    By Neyman and Pearson: outcomes (lost, won) by likelihood ratio until ``level`` is spent, the last one in part. No
    test of the same images can be better; this one knows what no gate can.
    """
    if setup.shift <= 0:
        return level
    none = Setup(setup.images, setup.discordance, 0.0)
    lost = _likely(setup.images, (none.lost, setup.lost))[:, None]
    won = _likely(setup.images, (none.won, setup.won))[None, :]
    logs = [_trinomial(lost, won, one).ravel() for one in (none, setup)]
    order = np.argsort(logs[0] - logs[1], kind="stable")
    null, alternative = (np.exp(log) for log in logs)
    spent = np.cumsum(null[order])
    whole = int(np.searchsorted(spent, level, side="right"))
    gained = float(alternative[order[:whole]].sum())
    if whole < len(order):
        part = (level - (spent[whole - 1] if whole else 0.0)) / null[order[whole]]
        gained += float(part * alternative[order[whole]])
    return min(gained, 1.0)


def _likely(images: int, chances: tuple[float, ...]) -> np.ndarray:
    spreads = [REACH * np.sqrt(images * chance * (1 - chance)) for chance in chances]
    low = min(images * chance - spread for chance, spread in zip(chances, spreads, strict=True))
    high = max(images * chance + spread for chance, spread in zip(chances, spreads, strict=True))
    return np.arange(max(0, int(low)), min(images, int(high) + 1) + 1)


def _trinomial(lost: np.ndarray, won: np.ndarray, setup: Setup) -> np.ndarray:
    """Logarithms of the chances."""
    rest = setup.images - lost - won
    possible = rest >= 0
    rest = np.where(possible, rest, 0)
    log = gammaln(setup.images + 1) - gammaln(lost + 1) - gammaln(won + 1) - gammaln(rest + 1)
    log = log + xlogy(lost, setup.lost) + xlogy(won, setup.won) + xlogy(rest, 1 - setup.discordance)
    return np.where(possible, np.maximum(log, IMPOSSIBLE), IMPOSSIBLE)


def unpaired(setup: Setup, level: float) -> float:
    """Power of the one-sided z test of two proportions, which does not know that the images are the same."""
    rng = np.random.default_rng(0)
    both = BASE_RATE - setup.won
    chances = [both, setup.lost, setup.won, max(1 - both - setup.lost - setup.won, 0.0)]
    counts = rng.multinomial(setup.images, np.array(chances) / sum(chances), UNPAIRED_RUNS)
    before, after = counts[:, 0] + counts[:, 2], counts[:, 0] + counts[:, 1]
    rate = (before + after) / (2 * setup.images)
    error = np.sqrt(np.maximum(rate * (1 - rate) * 2 / setup.images, 1e-300))
    return float(np.mean((after - before) / setup.images / error >= norm.isf(level)))


def smallest_caught(power: Power, images: int, discordance: float) -> float | None:
    """The smallest shift caught with a chance of 80 %, or None where even the largest is not."""

    def lacking(shift: float) -> float:
        return power(Setup(images, discordance, shift)) - CAUGHT

    if lacking(discordance) < 0:
        return None
    return float(brentq(lacking, 0.0, discordance, xtol=5e-4))

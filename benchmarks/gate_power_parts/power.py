"""Power of other rules than the gate's for one case, whose own is ``pytest_robustness.gate.power``."""

from __future__ import annotations

import numpy as np
from pytest_robustness.gate.power import CAUGHT, Power, Setup, paired, smallest_caught
from scipy.special import gammaln, xlogy
from scipy.stats import norm

__all__ = ["CAUGHT", "Power", "Setup", "best_attainable", "paired", "smallest_caught", "unpaired"]

#: Standard deviations beyond which outcomes are left out of a sum.
REACH = 9
#: What an unpaired test sees of the rate itself: FGSM's success rate on the zoo is about this.
BASE_RATE = 0.6
UNPAIRED_RUNS = 4000
#: Logarithm of no chance at all.
IMPOSSIBLE = -1e6


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

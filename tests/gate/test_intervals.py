"""Intervals against scipy and published examples, and how often they hold what they should: 95 % of the time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.statistics import (
    Interval,
    paired_rates,
    wilson,
)
from scipy.stats import binomtest

from tests.gate.strategies import modest

counts = st.integers(0, 60)
tables = st.tuples(counts, counts, counts, counts).filter(any)
confidences = st.sampled_from((0.8, 0.9, 0.95, 0.99))

# --- a rate --------------------------------------------------------------------------------------------------------


@modest
@given(st.integers(0, 3000), st.integers(0, 3000).filter(bool), confidences)
def test_wilson_s_interval_is_scipy_s(one: int, other: int, confidence: float) -> None:
    successes, trials = min(one, other), max(one, other)
    known = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert wilson(successes, trials, confidence) == pytest.approx((known.low, known.high), abs=1e-9)


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (5, 10, (0.2366, 0.7634)), (1, 1, (0.2065, 1.0))],
)
def test_wilson_s_intervals_known_by_heart(successes: int, trials: int, expected: Interval) -> None:
    assert wilson(successes, trials) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("trials", [1, 7, 49, 1000, 10**6])
def test_no_rate_is_below_nothing_or_above_all(trials: int) -> None:
    assert 0 <= wilson(0, trials)[0] < 1e-9
    assert 1 - 1e-9 < wilson(trials, trials)[1] <= 1


# --- the change of a rate ------------------------------------------------------------------------------------------

#: both, first only, second only, neither; the interval of first - second.
PUBLISHED: dict[str, tuple[tuple[int, int, int, int], Interval]] = {
    "Newcombe 1998": ((20, 12, 2, 16), (0.0562, 0.3292)),
    "Newcombe 1998, no image in neither": ((36, 12, 2, 0), (0.0569, 0.3404)),
    "Bentur 2009, by Fagerland, Lydersen and Laake": ((1, 1, 7, 12), (-0.507, -0.026)),
    "Cavo 2012, by Fagerland, Lydersen and Laake": ((59, 6, 16, 80), (-0.1186, -0.0046)),
}


@pytest.mark.parametrize(("table", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_intervals(table: tuple[int, int, int, int], expected: Interval) -> None:
    both, first, second, neither = table
    digits = 5e-4 if both == 1 else 5e-5
    assert paired_rates(both, first, second, neither) == pytest.approx(expected, abs=digits)


def correlated(both: int, lost: int, won: int, neither: int) -> float:
    """Newcombe's phi: Pearson's, and less of it where it is positive."""
    images = both + lost + won + neither
    before = [1] * both + [0] * lost + [1] * won + [0] * neither
    after = [1] * both + [1] * lost + [0] * won + [0] * neither
    if len(set(before)) < 2 or len(set(after)) < 2:
        return 0.0
    phi = float(np.corrcoef(before, after)[0, 1])
    if phi <= 0:
        return phi
    return max(0.0, phi - 0.5 / images / float(np.std(before) * np.std(after)))


@settings(max_examples=100, deadline=None)
@given(tables, confidences)
def test_the_interval_squares_and_adds_those_of_both_rates(table: tuple[int, int, int, int], confidence: float) -> None:
    both, lost, won, _ = table
    before, after = (
        binomtest(count, sum(table)).proportion_ci(confidence, method="wilson") for count in (both + won, both + lost)
    )
    rate_before, rate_after = (both + won) / sum(table), (both + lost) / sum(table)
    phi = correlated(*table)

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    low = rate_after - rate_before - reach(rate_after - after.low, before.high - rate_before)
    high = rate_after - rate_before + reach(after.high - rate_after, rate_before - before.low)
    assert paired_rates(*table, confidence) == pytest.approx((max(-1.0, low), min(1.0, high)), abs=1e-7)


@settings(max_examples=100, deadline=None)
@given(tables, confidences)
def test_lost_and_won_exchanged_mirror_the_interval(table: tuple[int, int, int, int], confidence: float) -> None:
    both, lost, won, neither = table
    low, high = paired_rates(both, lost, won, neither, confidence)
    assert paired_rates(both, won, lost, neither, confidence) == pytest.approx((-high, -low), abs=1e-12)
    # of the images that do not count, as many are won as of those that count are lost
    assert paired_rates(neither, won, lost, both, confidence) == pytest.approx((-high, -low), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(tables)
def test_the_interval_holds_the_change_and_a_surer_one_holds_it(table: tuple[int, int, int, int]) -> None:
    _, lost, won, _ = table
    change = (lost - won) / sum(table)
    low, high = paired_rates(*table)
    assert -1 <= low <= change <= high <= 1
    assert low < high
    surer = paired_rates(*table, 0.99)
    assert surer[0] <= low
    assert high <= surer[1]


def test_more_images_make_a_narrower_interval() -> None:
    widths = [high - low for low, high in (paired_rates(4 * n, 2 * n, n, 3 * n) for n in (1, 4, 16, 64))]
    assert widths == sorted(widths, reverse=True)
    assert widths[2] / widths[3] == pytest.approx(2, rel=0.05)


#: Chances of an image to count in both runs, the second, the first, none; images; the least and most that is held.
COVERAGES: dict[str, tuple[tuple[float, float, float, float], int, float, float]] = {
    "few discordant": ((0.3, 0.02, 0.02, 0.66), 1000, 0.94, 0.97),
    "a fifth discordant": ((0.3, 0.1, 0.1, 0.5), 200, 0.93, 0.97),
    "most discordant": ((0.1, 0.4, 0.4, 0.1), 200, 0.93, 0.97),
    "all discordant": ((0.0, 0.5, 0.5, 0.0), 200, 0.925, 0.97),
    "independent": ((0.25, 0.25, 0.25, 0.25), 50, 0.93, 0.97),
    "lost only": ((0.45, 0.05, 0.0, 0.5), 1000, 0.93, 0.97),
    "won only": ((0.45, 0.0, 0.05, 0.5), 1000, 0.93, 0.97),
    "more lost than won": ((0.4, 0.08, 0.03, 0.49), 1000, 0.935, 0.965),
    "nearly all fooled": ((0.9, 0.05, 0.05, 0.0), 200, 0.93, 0.98),
    "hardly any discordant": ((0.99, 0.005, 0.005, 0.0), 200, 0.97, 1.0),
    "none discordant": ((0.5, 0.0, 0.0, 0.5), 50, 1.0, 1.0),
}


@pytest.mark.parametrize(("chances", "images", "least", "most"), COVERAGES.values(), ids=COVERAGES)
def test_of_hundred_intervals_ninety_five_hold_the_true_change(
    chances: tuple[float, float, float, float], images: int, least: float, most: float
) -> None:
    true = chances[1] - chances[2]
    drawn = np.random.default_rng(0).multinomial(images, chances, 3000).tolist()
    assert least <= share_that_hold(true, [paired_rates(*table) for table in drawn]) <= most


def share_that_hold(true: float, intervals: list[Interval]) -> float:
    return sum(low <= true <= high for low, high in intervals) / len(intervals)

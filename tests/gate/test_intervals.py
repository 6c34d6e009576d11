"""Intervals against scipy and published examples, and how often they hold what they should: 95 % of the time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.statistics import (
    Interval,
    log_change,
    mean_interval,
    median_interval,
    paired_rates,
    pooled_change,
    relative_change,
    wilson,
)
from scipy.stats import binom, binomtest, norm, sem

from tests.gate.strategies import modest

counts = st.integers(0, 60)
tables = st.tuples(counts, counts, counts, counts).filter(any)
confidences = st.sampled_from((0.8, 0.9, 0.95, 0.99))
NORMAL = 1.959963984540054

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


# --- a relative change, and a mean ---------------------------------------------------------------------------------

positives = st.lists(st.tuples(st.integers(1, 100), st.integers(1, 100)), min_size=2, max_size=40)
scales = st.sampled_from((1e-6, 0.01, 3.0, 1e6))


@modest
@given(positives, scales)
def test_a_relative_change_has_no_units(pairs: list[tuple[int, int]], scale: float) -> None:
    before, after = zip(*pairs, strict=True)
    other = relative_change([scale * one for one in before], [scale * one for one in after])
    assert other == pytest.approx(relative_change(before, after), rel=1e-6, abs=1e-9)


@modest
@given(positives)
def test_of_a_constant_the_relative_change_is_the_mean_of_the_ratios(pairs: list[tuple[int, int]]) -> None:
    after = [one / 8 for _, one in pairs]
    known = norm.interval(0.95, loc=np.mean(after), scale=sem(after)) if len(set(after)) > 1 else [after[0]] * 2
    assert relative_change([8] * len(pairs), [one for _, one in pairs]) == pytest.approx(
        tuple(one - 1 for one in known), abs=1e-9
    )


@modest
@given(positives, st.sampled_from((0.5, 0.9, 1.0, 1.25)))
def test_what_changes_by_the_same_share_everywhere_is_known(pairs: list[tuple[int, int]], share: float) -> None:
    before = [one for one, _ in pairs]
    assert relative_change(before, [share * one for one in before]) == pytest.approx([share - 1] * 2, abs=1e-9)


@pytest.mark.parametrize("share", [0.8, 1.0, 1.5])
@pytest.mark.parametrize(("images", "least", "most"), [(60, 0.92, 0.97), (1000, 0.94, 0.965)])
def test_of_hundred_relative_changes_ninety_five_hold_the_true_one(
    share: float, images: int, least: float, most: float
) -> None:
    draws = np.random.default_rng(1)
    before = draws.gamma(4, 1, (2500, images))
    after = share * before * draws.gamma(20, 1 / 20, (2500, images))  # larger values vary more
    intervals = [relative_change(*runs) for runs in zip(before, after, strict=True)]
    assert least <= share_that_hold(share - 1, intervals) <= most


def test_a_pooled_change_by_hand() -> None:
    error = NORMAL * math.sqrt((1.4**2 + 0.4**2 * 2 + 0.6**2 + 1.6**2) + 2**2) / 10
    assert pooled_change([-1, 0, 0, 1, 2], 2, 10) == pytest.approx((0.2 - error, 0.2 + error), abs=1e-9)


@modest
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(2, 9))
def test_of_a_sum_over_cases_the_number_of_cases_is_no_evidence(values: list[int], cases: int) -> None:
    repeated = pooled_change([cases * one for one in values], 3 * cases, 3 * cases * len(values))
    assert repeated == pytest.approx(pooled_change(values, 3, 3 * len(values)), abs=1e-9)


@pytest.mark.parametrize("chances", [(0.1, 0.2, 0.4, 0.2, 0.1), (0.01, 0.04, 0.8, 0.1, 0.05), (0, 0, 0.9, 0, 0.1)])
def test_of_hundred_pooled_changes_ninety_five_intervals_hold_the_true_one(chances: tuple[float, ...]) -> None:
    values = np.arange(-2, 3)
    drawn = np.random.default_rng(2).choice(values, (2500, 400), p=chances)
    intervals = [pooled_change(each, 2, 800) for each in drawn]
    assert 0.935 <= share_that_hold(float(values @ chances) / 2, intervals) <= 0.97


@pytest.mark.parametrize(("one", "change"), [(0, 0), (2, 1), (-2, -1)])
def test_images_that_all_agree_do_not_prove_too_much(one: int, change: int) -> None:
    few, many = (pooled_change([one] * count, 2, 2 * count) for count in (10, 1000))
    for low, high in (few, many):
        assert low <= change <= high
        assert high - low > 0
    assert many[1] - many[0] < few[1] - few[0]


@modest
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40), confidences)
def test_the_interval_of_a_mean_is_scipy_s_and_never_below_nothing(values: list[int], confidence: float) -> None:
    middle, error = float(np.mean(values)), float(sem(values))
    known = norm.interval(confidence, middle, error) if error else (middle, middle)
    assert mean_interval(values, confidence) == pytest.approx((max(0.0, known[0]), known[1]), abs=1e-9)


def test_a_mean_s_interval_ends_at_nothing() -> None:
    assert mean_interval([0, 0, 0, 8]) == (0, pytest.approx(2 + 2 * NORMAL))


# --- logarithms of ratios, and medians -------------------------------------------------------------------------------

logs = st.lists(st.integers(-(10**6), 10**6).map(lambda value: value / 10**6), min_size=2, max_size=30)


@modest
@given(logs, confidences)
def test_the_interval_of_a_geometric_mean_is_scipy_s_of_the_logarithms(values: list[float], confidence: float) -> None:
    error = sem(values)
    low, high = norm.interval(confidence, np.mean(values), error) if error else (np.mean(values),) * 2
    assert log_change(values, confidence) == pytest.approx((np.exp(low) - 1, np.exp(high) - 1), abs=1e-9)


@pytest.mark.parametrize("count", [50, 500])
def test_of_hundred_changes_of_a_distance_ninety_five_intervals_hold_the_true_one(count: int) -> None:
    draws = np.random.default_rng(7).laplace(np.log(0.96), 0.2, (600, count))
    held = sum(low <= -0.04 <= high for low, high in map(log_change, draws.tolist()))
    assert 0.925 <= held / 600 <= 0.975


@modest
@given(st.lists(st.integers(0, 50), max_size=60), confidences)
def test_the_ends_of_a_median_s_interval_are_values_that_hold_it_as_surely_as_counting_says(
    values: list[int], confidence: float
) -> None:
    """Of a median of independent draws: how many lie below it is binomial, whatever they are."""
    found = median_interval(values, confidence)
    if found is None:
        assert len(values) < 12 or confidence == 0.99
        return
    ordered = sorted(values)
    low, high = found
    assert low <= np.median(values) <= high
    below = next(i for i in range(len(ordered)) if (ordered[i], ordered[len(ordered) - 1 - i]) == (low, high))
    # the rank of the ends, counted from either side; of equal values the outermost, which claims the most
    inside = binom.cdf(len(ordered) - below - 1, len(ordered), 0.5) - binom.cdf(below, len(ordered), 0.5)
    assert inside >= confidence - 0.02


@pytest.mark.parametrize("count", [8, 25, 200])
def test_of_hundred_medians_ninety_five_intervals_hold_the_true_one(count: int) -> None:
    draws = np.random.default_rng(5).lognormal(0, 1, (800, count))
    held = sum(low <= 1 <= high for low, high in map(median_interval, draws.tolist()))
    assert 0.94 <= held / 800 <= 1.0


def test_of_a_few_values_the_median_is_anywhere() -> None:
    assert median_interval([]) is None
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert median_interval(list(range(8))) == (0, 7)


def test_of_a_single_image_nothing_is_known() -> None:
    assert log_change([0.5]) is None
    assert mean_interval([3.0]) is None
    assert relative_change([2.0], [1.0]) is None
    assert pooled_change([1], 1, 1) == (pytest.approx(1 - NORMAL), 1)


def test_a_surer_interval_is_wider_as_the_normal_distribution_says() -> None:
    before, after = [1, 2, 3, 4], [2, 1, 4, 4]
    for usual, surer in (
        (relative_change(before, after), relative_change(before, after, 0.99)),
        (pooled_change(after, 4, 160), pooled_change(after, 4, 160, 0.99)),
    ):
        assert (surer[1] - surer[0]) / (usual[1] - usual[0]) == pytest.approx(2.5758293 / NORMAL)

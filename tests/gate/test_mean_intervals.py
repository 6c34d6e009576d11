"""Intervals of ratios and means against scipy, and how often they hold what they should: 95 % of the time."""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pytest_robustness.gate.statistics import (
    Interval,
    log_change,
    mean_interval,
    median_interval,
    pooled_change,
    relative_change,
)
from pytest_robustness.gate.student import t_quantile
from scipy.stats import binom, kurtosis, sem, skew
from scipy.stats import t as student

from tests.gate.strategies import modest

Floats = NDArray[np.float64]
ROOT = Path(__file__).parents[2]
#: Every other model that has baselines of C&W.
ZOO = sorted(path.parent.name for path in (ROOT / "baselines" / "zoo").glob("*/cw.json"))[::2]

confidences = st.sampled_from((0.8, 0.9, 0.95, 0.99))
NORMAL = 1.959963984540054


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
    assert (other or ()) == pytest.approx(relative_change(before, after) or (), rel=1e-6, abs=1e-9)


@modest
@given(positives, confidences)
def test_a_relative_change_is_the_jackknife_s_of_the_logarithm(pairs: list[tuple[int, int]], confidence: float) -> None:
    before, after = zip(*pairs, strict=True)
    left = [pairs[:i] + pairs[i + 1 :] for i in range(len(pairs))]
    logs = np.array([math.log(sum(b for _, b in rest) / sum(a for a, _ in rest)) for rest in left])
    error = math.sqrt((len(logs) - 1) / len(logs) * float(np.square(logs - logs.mean()).sum()))
    reach = quantile(logs, confidence) * error
    middle = math.log(sum(after) / sum(before))
    known = (math.expm1(middle - reach), math.expm1(middle + reach)) if reach < math.log(1000) else ()
    assert (relative_change(before, after, confidence) or ()) == pytest.approx(known, rel=1e-6, abs=1e-8)


def quantile(values: Floats, confidence: float) -> float:
    """Student's, with degrees of freedom by scipy's unbiased kurtosis."""
    most = len(values) - 1
    if len(values) < 4 or np.ptp(values) < 1e-14:
        return float(student.ppf((1 + confidence) / 2, most))
    excess = float(kurtosis(values, bias=False))
    return float(student.ppf((1 + confidence) / 2, np.clip(2 * len(values) / max(excess + 2, 1e-9), 1, most)))


@pytest.mark.parametrize(("before", "after"), [([0, 0, 0, 5], [1, 0, 2, 3]), ([1, 2, 1, 1], [0, 3, 0, 0])])
def test_of_one_image_alone_with_a_value_the_ratio_s_own_error_is_taken(before: list[int], after: list[int]) -> None:
    ratio = sum(after) / sum(before)
    error = float(sem([b - ratio * a for a, b in zip(before, after, strict=True)])) / float(np.mean(before))
    low, high = student.interval(0.95, 3, ratio - 1, error)
    assert relative_change(before, after) == pytest.approx((max(-1, low), high))
    assert relative_change([1, 2, 3], [0, 0, 0]) == (-1, -1)


@modest
@given(positives, st.sampled_from((0.5, 0.9, 1.0, 1.25)))
def test_what_changes_by_the_same_share_everywhere_is_known(pairs: list[tuple[int, int]], share: float) -> None:
    before = [one for one, _ in pairs]
    assert relative_change(before, [share * one for one in before]) == pytest.approx([share - 1] * 2, abs=1e-9)


@pytest.mark.parametrize("share", [0.8, 1.0, 1.5])
@pytest.mark.parametrize(("images", "least", "most"), [(20, 0.94, 0.965), (60, 0.94, 0.965), (1000, 0.94, 0.965)])
def test_of_hundred_relative_changes_ninety_five_hold_the_true_one(
    share: float, images: int, least: float, most: float
) -> None:
    draws = np.random.default_rng(1)
    before = draws.gamma(4, 1, (2500, images))
    after = share * before * draws.gamma(20, 1 / 20, (2500, images))  # larger values vary more
    intervals = [relative_change(*runs) for runs in zip(before, after, strict=True)]
    assert least <= share_that_hold(share - 1, intervals) <= most


@pytest.mark.parametrize(("images", "least"), [(20, 0.935), (50, 0.94), (100, 0.94)])
def test_of_hundred_ratios_of_cw_s_noise_ninety_five_intervals_hold_the_true_one(images: int, least: float) -> None:
    """Of pairs of zoo models, images drawn with replacement: few values are large, and the ratio hangs on them."""
    draws = np.random.default_rng(4)
    held = []
    for before, after in combinations(ZOO, 2):
        then, now = stored_noise(before), stored_noise(after)
        both = ~np.isnan(then) & ~np.isnan(now)
        then, now = then[both], now[both]
        true = float(now.mean() / then.mean()) - 1
        drawn = draws.integers(0, len(then), (60, images))
        held.append(share_that_hold(true, [relative_change(then[i], now[i]) or (0, 0) for i in drawn]))
    assert least <= np.mean(held) <= 0.965


@pytest.mark.parametrize(("images", "least"), [(20, 0.91), (50, 0.925), (100, 0.93)])
def test_of_hundred_means_of_cw_s_noise_ninety_five_intervals_hold_the_true_one(images: int, least: float) -> None:
    draws = np.random.default_rng(5)
    held = []
    for model in ZOO:
        values = stored_noise(model)
        values = values[~np.isnan(values)]
        drawn = draws.choice(values, (200, images))
        held.append(share_that_hold(float(values.mean()), [mean_interval(each) or (0, 0) for each in drawn]))
    assert least <= np.mean(held) <= 0.965


def stored_noise(model: str) -> Floats:
    """(images,): nan where C&W did not succeed."""
    stored = json.loads((ROOT / "baselines" / "zoo" / model / "cw.json").read_text(encoding="utf-8"))
    return np.array([math.nan if one is None else one for one in stored["evidence"]["noise"]])


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
@given(st.lists(st.integers(0, 1000), min_size=3, max_size=40), confidences)
def test_the_ends_of_a_mean_s_interval_are_those_that_hall_s_transformation_takes_to_student_s(
    values: list[int], confidence: float
) -> None:
    found = mean_interval(values, confidence)
    assert found is not None
    middle, error = float(np.mean(values)), float(sem(values))
    if not error:
        assert found == (middle, middle)
        return
    lean = float(skew(values, bias=False)) / math.sqrt(len(values))
    wanted = quantile(np.array(values, float), confidence)
    for end, t in zip(found, (wanted, -wanted), strict=True):
        z = (middle - end) / error
        transformed = z + lean * z**2 / 3 + lean**2 * z**3 / 27 + lean / 6
        assert transformed == pytest.approx(t, rel=1e-5, abs=1e-5) or (end == 0 and transformed < t)
    assert found[0] >= 0


def test_a_mean_s_interval_ends_at_nothing_and_two_values_are_not_skewed() -> None:
    assert (mean_interval([0, 0, 0, 8]) or (1, 1))[0] == 0
    assert mean_interval([7, 9], 0.5) == pytest.approx(student.interval(0.5, 1, 8, 1))


@modest
@given(st.sampled_from((0.8, 0.9, 0.975, 0.995)), st.floats(1, 5000))
def test_the_quantile_of_student_s_t_is_scipy_s(chance: float, degrees: float) -> None:
    assert t_quantile(chance, degrees) == pytest.approx(student.ppf(chance, degrees), rel=1e-8)


# --- logarithms of ratios, and medians -------------------------------------------------------------------------------

logs = st.lists(st.integers(-(10**6), 10**6).map(lambda value: value / 10**6), min_size=2, max_size=30)


@modest
@given(logs, confidences)
def test_the_interval_of_a_geometric_mean_is_scipy_s_of_the_logarithms(values: list[float], confidence: float) -> None:
    error = sem(values)
    middle = np.mean(values)
    low, high = student.interval(confidence, len(values) - 1, middle, error) if error else (middle, middle)
    known = (np.exp(low) - 1, np.exp(high) - 1) if high - low < 2 * math.log(1000) else ()
    assert (log_change(values, confidence) or ()) == pytest.approx(known, rel=1e-7, abs=1e-9)


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
    assert log_change([5.0, -5.0]) is None  # two images that contradict each other
    assert relative_change([1.0, 9.0], [9.0, 1.0]) is None
    assert mean_interval([3.0]) is None
    assert relative_change([2.0], [1.0]) is None
    assert pooled_change([1], 1, 1) == (pytest.approx(1 - NORMAL), 1)


def test_a_surer_interval_is_wider_as_the_normal_distribution_says() -> None:
    usual, surer = pooled_change([2, 1, 4, 4], 4, 160), pooled_change([2, 1, 4, 4], 4, 160, 0.99)
    assert (surer[1] - surer[0]) / (usual[1] - usual[0]) == pytest.approx(2.5758293 / NORMAL)

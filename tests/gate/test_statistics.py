"""The exact test against enumeration, scipy and the binomial; how many images would settle a change."""

import math
from fractions import Fraction
from itertools import product
from random import Random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate import flip_distribution
from pytest_robustness.gate.flip_distribution import GRID, RESOLUTION
from pytest_robustness.gate.statistics import images_to_settle, sign_flip
from scipy.stats import binomtest, permutation_test

from tests.gate.examples import flips, tail

counts = st.integers(0, 60)
levels = st.sampled_from((0.05, 0.025, 0.05 / 6, 0.05 / 28, 1e-6))
steps = st.lists(st.integers(-9, 9), max_size=25)


def mcnemar(lost: int, won: int) -> float:
    return sign_flip([1] * lost + [-1] * won)


# --- differences of 1 and -1: McNemar's exact test -----------------------------------------------------------------


@given(counts, counts)
@settings(max_examples=150, deadline=None)
def test_of_images_lost_and_won_it_is_the_binomial_tail(lost: int, won: int) -> None:
    assert mcnemar(lost, won) == pytest.approx(float(tail(lost, won)), rel=1e-10)
    if lost + won:
        known = binomtest(lost, lost + won, 0.5, alternative="greater").pvalue
        assert mcnemar(lost, won) == pytest.approx(known, rel=1e-8)


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [(0, 0, 1.0), (0, 5, 1.0), (1, 0, 0.5), (5, 0, 1 / 32), (3, 1, 5 / 16), (2, 2, 11 / 16)],
)
def test_p_values_known_by_heart(lost: int, won: int, expected: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(expected)


@pytest.mark.parametrize(("lost", "won"), [(61, 22), (300, 250), (600, 400), (1000, 0), (0, 1000), (5000, 4800)])
def test_p_value_is_exact_for_many_images(lost: int, won: int) -> None:
    assert mcnemar(lost, won) == pytest.approx(float(tail(lost, won)), rel=1e-9, abs=0)


few = st.integers(0, 20)  # so that a float can tell 1 - 2 ** -n from 1


@given(few, few)
@settings(max_examples=60, deadline=None)
def test_more_lost_is_stronger_evidence_and_more_won_is_weaker(lost: int, won: int) -> None:
    assert 0 < mcnemar(lost + 1, won) < mcnemar(lost, won) <= 1
    assert mcnemar(lost, won + 1) > mcnemar(lost, won) or lost == 0


# --- differences of any size ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=12))
@settings(max_examples=40, deadline=None)
def test_it_is_scipy_s_exact_permutation_test(differences: list[int]) -> None:
    known = permutation_test(
        (np.array(differences),), np.sum, permutation_type="samples", n_resamples=2**12, alternative="greater"
    )
    assert sign_flip(differences) == pytest.approx(known.pvalue, rel=1e-12)


@given(st.lists(st.integers(-40, 40), max_size=40))
@settings(max_examples=80, deadline=None)
def test_it_counts_every_choice_of_signs(differences: list[int]) -> None:
    assert sign_flip(differences) == pytest.approx(float(flips(differences)), rel=1e-10)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=7), levels | st.sampled_from((0.1, 0.3, 0.5)))
@settings(max_examples=30, deadline=None)
def test_it_alarms_no_more_often_than_its_level_where_signs_are_chance(sizes: list[int], level: float) -> None:
    p_values = [sign_flip(list(signed)) for signed in product(*((size, -size) for size in sizes))]
    assert sum(p_value <= level for p_value in p_values) <= level * len(p_values)


@given(steps)
@settings(max_examples=80, deadline=None)
def test_both_directions_share_the_tie(differences: list[int]) -> None:
    forth, back = sign_flip(differences), sign_flip([-one for one in differences])
    tie = flips(differences) + flips([-one for one in differences]) - 1
    assert tie > 0
    assert forth + back == pytest.approx(float(1 + tie))
    assert 0 < forth <= 1
    assert 0 < back <= 1


@given(steps.filter(lambda differences: min(differences, default=0) < 0), st.data())
@settings(max_examples=80, deadline=None)
def test_an_image_that_turns_for_the_worse_is_evidence(differences: list[int], data: st.DataObject) -> None:
    i = data.draw(st.sampled_from([i for i, one in enumerate(differences) if one < 0]))
    turned = [-one if i == j else one for j, one in enumerate(differences)]
    assert sign_flip(turned) < sign_flip(differences)


large = st.lists(st.integers(-(10**6), 10**6), max_size=60)


@given(steps | large, st.integers(1, 50), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_zeros_have_no_say_and_neither_has_the_order(differences: list[int], zeros: int, random: Random) -> None:
    shuffled = differences + [0] * zeros
    random.shuffle(shuffled)
    assert sign_flip(shuffled) == sign_flip(differences)


@pytest.mark.parametrize("size", [3, 100, 10**6])
def test_the_order_of_many_images_does_not_show_in_the_last_digit(size: int) -> None:
    draws = np.random.default_rng(size)
    differences = draws.integers(-size, size + 1, 400)
    assert len({sign_flip(draws.permutation(differences).tolist()) for _ in range(10)}) == 1


@pytest.mark.parametrize("differences", [[], [0], [0] * 1000])
def test_nothing_that_changed_is_no_evidence(differences: list[int]) -> None:
    assert sign_flip(differences) == 1.0


# --- where the grid is engaged -------------------------------------------------------------------------------------


@given(st.lists(st.integers(-9, 9), max_size=15))
@settings(max_examples=40, deadline=None)
def test_a_unit_that_the_grid_can_hold_changes_nothing(differences: list[int]) -> None:
    filler = 256 - sum(map(abs, differences))  # so that all is a power of two and the grid's step a whole number
    whole = [*differences, filler]
    assert sign_flip([one * GRID for one in whole]) == pytest.approx(sign_flip(whole), rel=1e-12)


@given(st.lists(st.integers(-9, 9), max_size=25), st.integers(1, 10**12))
@settings(max_examples=80, deadline=None)
def test_the_unit_of_the_differences_has_no_say(differences: list[int], unit: int) -> None:
    assert sign_flip([one * unit for one in differences]) == sign_flip(differences)


@given(st.lists(st.integers(-(10**4), 10**4).filter(bool), min_size=1, max_size=14), st.sampled_from((32, 64, 256)))
@settings(max_examples=80, deadline=None)
def test_what_does_not_fit_into_the_grid_is_rounded_to_it_and_counted_exactly(
    differences: list[int], grid: int
) -> None:
    """Even in a small grid an average difference has eight steps."""
    assert RESOLUTION == 8
    whole = [one // math.gcd(*differences) for one in differences]
    step = max(1, sum(map(abs, whole)) // max(grid, 8 * len(whole)))
    rounded = [round(Fraction(one, step)) for one in whole]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flip_distribution, "GRID", grid)
        assert sign_flip(differences) == pytest.approx(float(flips(rounded)), rel=1e-10)


@pytest.mark.parametrize(("images", "shift"), [(60, 0), (200, 1000), (1000, 700), (1000, -200)])
def test_of_large_values_it_is_what_chance_shows(images: int, shift: int) -> None:
    draws = np.random.default_rng(images + shift)
    differences = np.rint(draws.standard_t(3, images) * 5000 + shift).astype(np.int64)
    assert np.abs(differences).sum() > GRID
    sizes, worse = np.abs(differences), differences[differences > 0].sum()
    tosses, rounds = 1000, 20
    trials = tosses * rounds
    heads = sum(int((draws.integers(0, 2, (tosses, images)) @ sizes >= worse).sum()) for _ in range(rounds))
    p_value = sign_flip(differences.tolist())
    assert heads / trials == pytest.approx(p_value, abs=4 * math.sqrt(p_value * (1 - p_value) / trials) + 2e-3)


@given(large)
@settings(max_examples=40, deadline=None)
def test_large_values_are_still_judged_both_ways(differences: list[int]) -> None:
    forth, back = sign_flip(differences), sign_flip([-one for one in differences])
    assert forth + back >= 1 - 1e-12
    assert max(forth, back) <= 1


def test_what_cannot_be_chance_is_small_and_never_nothing() -> None:
    assert sign_flip([1] * 1000) == pytest.approx(2.0**-1000, rel=1e-9, abs=0)
    for differences in ([1] * 2000, [1] * 5000, [10**6] * 5000, list(range(1, 3000))):
        assert 0 < sign_flip(differences) < 1e-300
        assert sign_flip([-one for one in differences]) == pytest.approx(1.0)


# --- how many images would settle it -------------------------------------------------------------------------------


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=60).filter(lambda one: sum(one) > 0),
    counts,
    levels,
    st.sampled_from((0.5, 0.8, 0.95)),
)
@settings(max_examples=150, deadline=None)
def test_with_as_many_images_z_exceeds_the_critical_one_by_that_of_the_power(
    differences: list[int], others: int, level: float, power: float
) -> None:
    images = len(differences) + others
    needed = images_to_settle(differences, images, level, power)
    assert needed is not None
    assert needed > images

    def z(count: int) -> float:
        """Of ``count`` images that changed as these did."""
        return sum(differences) * (count / images) / math.sqrt(sum(one * one for one in differences) * count / images)

    wanted = NormalDist().inv_cdf(1 - level) + NormalDist().inv_cdf(power)
    assert z(needed) >= wanted - 1e-6
    assert needed == images + 1 or z(needed - 2) < wanted
    assert images_to_settle(differences, images, level) == images_to_settle(differences, images, level, 0.8)


@pytest.mark.parametrize(("lost", "won", "level"), [(0.06, 0.03, 0.05), (0.15, 0.1, 0.05 / 6), (0.3, 0.24, 0.025)])
def test_of_hundred_new_samples_of_so_many_images_eighty_are_significant(lost: float, won: float, level: float) -> None:
    """By the exact test, where the true change is the one that was seen."""
    changed = [1] * round(100 * lost) + [-1] * round(100 * won)
    images = images_to_settle(changed, 100, level)
    assert images is not None
    drawn = np.random.default_rng(3).multinomial(images, (lost, won, 1 - lost - won), 1000).tolist()
    significant = sum(mcnemar(up, down) <= level for up, down, _ in drawn)
    assert significant / 1000 == pytest.approx(0.8, abs=0.05)


@given(st.integers(5, 60), st.integers(200, 900), levels)
@settings(max_examples=30, deadline=None)
def test_images_that_did_not_change_count_although_they_have_no_say(won: int, images: int, level: float) -> None:
    differences = [1] * (won + 1) + [-1] * won
    needed = images_to_settle(differences, images, level)
    assert images_to_settle([*differences, 0, 0], images, level) == needed
    assert images_to_settle(differences, 10 * images, level) == pytest.approx(10 * (needed or 0), abs=10)


@given(steps.map(lambda values: [*values, -max(sum(values), 0)]), levels)
@settings(max_examples=30, deadline=None)
def test_no_number_of_images_settles_a_change_for_the_better_or_none(differences: list[int], level: float) -> None:
    assert images_to_settle(differences, 1000, level) is None


def test_a_stricter_level_needs_more_images() -> None:
    needed = [images_to_settle([1] * 14 + [-1] * 6, 100, level) or 0 for level in (0.05, 0.01, 0.001)]
    assert needed == sorted(set(needed))


def test_the_number_is_borne_out_by_the_exact_test() -> None:
    seen, images = [3] * 12 + [-2] * 9 + [1] * 4, 100
    level = float(Fraction(1, 100))
    assert sign_flip(seen) > level
    needed = images_to_settle(seen, images, level)
    assert needed is not None
    times = math.ceil(needed / images)
    assert sign_flip(seen * times) <= level

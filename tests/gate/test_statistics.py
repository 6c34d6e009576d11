"""The exact test against sums of binomial coefficients, and the promise of how many images would settle a change."""

import math
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.statistics import images_to_settle, mcnemar

from tests.gate.examples import tail

counts = st.integers(0, 60)
levels = st.sampled_from((0.05, 0.025, 0.05 / 6, 0.05 / 28, 1e-6))


@given(counts, counts)
@settings(max_examples=150, deadline=None)
def test_p_value_is_the_binomial_tail(lost: int, won: int) -> None:
    assert mcnemar(lost, won) == pytest.approx(float(tail(lost, won)), rel=1e-10)


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


@given(counts, counts)
@settings(max_examples=60, deadline=None)
def test_both_directions_share_the_tie(lost: int, won: int) -> None:
    tie = Fraction(math.comb(lost + won, lost), 2 ** (lost + won))
    assert mcnemar(lost, won) + mcnemar(won, lost) == pytest.approx(float(1 + tie))


@given(won=counts, more=st.integers(1, 40), others=st.integers(0, 500), level=levels)
@settings(max_examples=150, deadline=None)
def test_with_as_many_images_a_change_of_this_size_is_significant(
    won: int, more: int, others: int, level: float
) -> None:
    lost, images = won + more, won + won + more + others
    needed = images_to_settle(lost, won, images, level)
    assert needed is not None
    assert needed > images

    def z(count: int) -> float:
        return (lost - won) * (count / images) / math.sqrt((lost + won) * (count / images))

    critical = NormalDist().inv_cdf(1 - level)
    assert z(needed) >= critical - 1e-6
    assert needed == images + 1 or z(needed - 2) < critical


@given(counts, st.integers(0, 20), levels)
@settings(max_examples=30, deadline=None)
def test_no_number_of_images_settles_a_change_for_the_better_or_none(lost: int, more: int, level: float) -> None:
    assert images_to_settle(lost, lost + more, 1000, level) is None


def test_a_stricter_level_needs_more_images() -> None:
    needed = [images_to_settle(14, 6, 100, level) or 0 for level in (0.05, 0.01, 0.001)]
    assert needed == sorted(set(needed))

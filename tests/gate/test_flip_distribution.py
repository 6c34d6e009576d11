"""The distribution of sums with random signs: exact counts against the quick ways that stand in for many images."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.gate import flip_distribution
from pytest_robustness.gate.flip_distribution import FLOOR, FlipDistribution, on_grid
from pytest_robustness.gate.statistics import sign_flip

from tests.gate.examples import flips, tail

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=40)


@pytest.fixture
def never_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for many images, whatever their number."""
    monkeypatch.setattr(flip_distribution, "ADDED_UP", 0)


@pytest.mark.usefixtures("never_added_up")
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=40).filter(any))
@settings(max_examples=150, deadline=None)
def test_the_quick_way_counts_every_choice_of_signs(differences: list[int]) -> None:
    assert sign_flip(differences) == pytest.approx(float(flips(differences)), rel=1e-9)


@pytest.mark.usefixtures("never_added_up")
@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.2, 0.5, 1.0, 1.4])
@pytest.mark.parametrize("values", ["integers", "heavy tails", "one giant", "nearly all even"])
def test_the_quick_way_is_as_exact_far_out(values: str, shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down to p values of 1e-100, of 1,200 images."""
    draws = np.random.default_rng(11)
    drawn = {
        "integers": draws.integers(1, 13, 1200),
        "heavy tails": np.rint(1000 * np.abs(draws.standard_t(1.5, 1200))).astype(np.int64) + 1,
        "one giant": np.array([5000] + [1] * 1199),
        "nearly all even": np.array([2, 4, 6] * 399 + [1, 3, 5]),
    }[values]
    signed = np.where(draws.random(1200) < 0.5 + shift / 3, drawn, -drawn)
    quick = sign_flip(signed.tolist())
    monkeypatch.setattr(flip_distribution, "ADDED_UP", 10**12)
    assert quick == pytest.approx(sign_flip(signed.tolist()), rel=1e-9, abs=0)


def test_of_fifty_thousand_images_the_tail_is_that_of_whole_numbers() -> None:
    """McNemar's: p values of 1e-8 and 1e-90, by ratios of neighbouring terms in exact arithmetic."""
    for lost in (25627, 27248):
        images = 50000
        ways, total = math.comb(images, lost), 0
        for k in range(lost, lost + 2500):  # what is left out is below 1e-40 of it
            total += ways
            ways = ways * (images - k) // (k + 1)
        known = float(Fraction(total, 2**images))
        assert known < 2e-8
        assert sign_flip([1] * lost + [-1] * (images - lost)) == pytest.approx(known, rel=1e-10, abs=0)


def test_of_fifty_thousand_images_of_two_sizes_it_is_the_sum_of_two_binomials() -> None:
    """3 X + 20 Y, of 30,000 and 20,000 images: the tail of each, given the other."""
    from scipy.stats import binom

    ones, twos = 30000, 20000
    signed = [3] * 15200 + [-3] * 14800 + [20] * 10300 + [-20] * 9700
    worse = 3 * 15200 + 20 * 10300
    y = np.arange(twos + 1)
    known = float(binom.pmf(y, twos, 0.5) @ binom.sf(np.ceil((worse - 20 * y) / 3) - 1, ones, 0.5))
    assert 1e-8 < known < 1e-4
    assert sign_flip(signed) == pytest.approx(known, rel=1e-7)


@given(sizes)
@settings(max_examples=60, deadline=None)
def test_the_table_has_every_tail_down_to_its_floor(drawn: list[int]) -> None:
    distribution = FlipDistribution(np.array(drawn))
    table = distribution.table()
    assert len(table) == sum(drawn) + 1
    known = [max(FLOOR, distribution.at_least(one)) for one in range(len(table))]
    assert table.tolist() == pytest.approx(known, rel=1e-9)


@pytest.mark.usefixtures("never_added_up")
@given(sizes)
@settings(max_examples=60, deadline=None)
def test_the_table_of_the_quick_way_is_that_of_counting(drawn: list[int]) -> None:
    distribution = FlipDistribution(np.array(drawn))
    table = distribution.table()
    total = sum(drawn)
    for one in {0, total // 3, total // 2, total, total - min(drawn)}:
        signed = _signs(drawn, one)
        if signed is not None:
            assert table[one] == pytest.approx(max(FLOOR, float(flips(signed))), rel=1e-2)
    assert (np.diff(table) <= 0).all()


def _signs(drawn: list[int], worse: int) -> list[int] | None:
    """Differences of these sizes of which those that got worse add up to ``worse``, if the first that fit do."""
    signed = []
    for one in sorted(drawn, reverse=True):
        signed.append(one if one <= worse else -one)
        worse -= one if one <= worse else 0
    return signed if worse == 0 else None


@pytest.mark.usefixtures("never_added_up")
def test_of_two_thousand_images_the_table_is_the_binomial_s() -> None:
    table = FlipDistribution(np.ones(2000, dtype=np.int64)).table()
    for worse in (0, 900, 1000, 1050, 1100, 1130):
        known = max(float(tail(worse, 2000 - worse)), FLOOR)
        assert table[worse] == pytest.approx(known, rel=1e-2 if known < 1e-6 else 1e-5)


@given(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=40), st.data())
@settings(max_examples=80, deadline=None)
def test_signs_do_not_move_the_grid(differences: list[int], data: st.DataObject) -> None:
    signs = np.array(
        data.draw(st.lists(st.sampled_from((1, -1)), min_size=len(differences), max_size=len(differences)))
    )
    assert on_grid((signs * differences).tolist()).tolist() == (signs * on_grid(differences)).tolist()

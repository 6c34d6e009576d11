"""Draws: known answers of Philox, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.evaluate.attacks.draws import uniform

KEY = "0123456789abcdeffedcba9876543210" + "5" * 32
WORDS = st.integers(0, 2**64 - 1)
KEYS = st.text("0123456789abcdef", min_size=64, max_size=64)

# of Philox4x64-10, as its paper gives them
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
MASK = 2**64 - 1


def philox(counter: list[int], key: list[int]) -> list[int]:
    """One block, by whole numbers of Python: algorithm of section 3.3 of Salmon et al."""
    for _ in range(10):
        first, second = MULTIPLIERS[0] * counter[0], MULTIPLIERS[1] * counter[2]
        counter = [
            (second >> 64) ^ counter[1] ^ key[0],
            second & MASK,
            (first >> 64) ^ counter[3] ^ key[1],
            first & MASK,
        ]
        key = [(key[0] + WEYL[0]) & MASK, (key[1] + WEYL[1]) & MASK]
    return counter


def test_the_block_function_gives_the_papers_known_answers() -> None:
    """Those of the authors' library Random123."""
    assert [f"{word:016x}" for word in philox([0] * 4, [0] * 2)] == [
        "16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b",
    ]  # fmt: skip
    assert [f"{word:016x}" for word in philox([MASK] * 4, [MASK] * 2)] == [
        "87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0",
    ]  # fmt: skip


@given(seed=WORDS, key=KEYS, draw=st.integers(0, 2**63), count=st.integers(1, 19))
def test_draws_are_philoxs_in_the_order_in_which_numpy_documents_it(seed: int, key: str, draw: int, count: int) -> None:
    """Its counter is raised before each block; each word is a low half, then a high one, of which 24 bits count."""
    words: list[int] = []
    for block in range(1, 4):
        words += philox([block, 0, int(key[16:32], 16), draw], [seed, int(key[:16], 16)])
    halves = [half >> 8 for word in words for half in (word & 0xFFFFFFFF, word >> 32)]
    expected = [half / 2**24 for half in halves][:count]
    assert uniform(seed, [key], draw, count).tolist() == [expected]
    # numpy's own generator makes its float32 in the same way
    given_key, counter = np.array([seed, int(key[:16], 16)], np.uint64), [0, 0, int(key[16:32], 16), draw]
    stream = np.random.Philox(key=given_key, counter=np.array(counter, np.uint64))
    assert np.random.Generator(stream).random(count, np.float32).tolist() == expected


def test_the_numbers_are_those_that_were_drawn_when_this_was_written() -> None:
    drawn = uniform(7, [KEY, KEY[::-1]], 3, 3)
    assert drawn.dtype == torch.float32
    assert (drawn * 2**24).long().tolist() == [[322314, 9760477, 14613471], [8525521, 10979437, 15367070]]


@given(seeds=st.tuples(WORDS, WORDS), keys=st.lists(KEYS, min_size=2, max_size=5, unique_by=lambda key: key[:32]))
def test_a_row_follows_from_its_own_seed_key_and_number(seeds: tuple[int, int], keys: list[str]) -> None:
    whole = uniform(seeds[0], keys, 2, 9)
    assert torch.equal(uniform(seeds[0], keys[::-1], 2, 9), whole.flip(0))
    for row, key in zip(whole, keys, strict=True):
        assert torch.equal(uniform(seeds[0], [key], 2, 9)[0], row)
        assert torch.equal(uniform(seeds[0], [key], 2, 4)[0], row[:4])  # fewer are the first of more
        assert not torch.equal(uniform(seeds[0], [key], 1, 9)[0], row)
        if seeds[0] != seeds[1]:
            assert not torch.equal(uniform(seeds[1], [key], 2, 9)[0], row)
    assert len({tuple(row.tolist()) for row in whole}) == len(keys)
    assert 0 <= float(whole.min()) <= float(whole.max()) < 1


@pytest.mark.parametrize("place", [0, 15, 16, 31])
def test_each_of_the_first_128_bits_of_a_key_counts(place: int) -> None:
    other = KEY[:place] + ("1" if KEY[place] == "0" else "0") + KEY[place + 1 :]
    assert not torch.equal(uniform(0, [other], 0, 8), uniform(0, [KEY], 0, 8))


def test_draws_are_spread_evenly() -> None:
    drawn = uniform(0, [KEY], 0, 100_000)[0].double()
    assert abs(float(drawn.mean()) - 0.5) < 0.004  # over four standard errors
    assert abs(float(drawn.var()) - 1 / 12) < 0.001
    assert abs(float(torch.corrcoef(torch.stack((drawn[1:], drawn[:-1])))[0, 1])) < 0.013

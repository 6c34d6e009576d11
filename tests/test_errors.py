"""How messages name things."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.errors import some


@given(st.lists(st.integers(0, 99), max_size=9), st.integers(1, 9))
def test_the_first_are_named_and_the_rest_counted(names: list[int], limit: int) -> None:
    text, _, more = some(names, limit).partition(" and ")
    assert [int(one) for one in text.split(", ") if one] == names[:limit]
    assert more == (f"{len(names) - limit} more" if len(names) > limit else "")


def test_five_are_named_of_anything_that_can_be_looped_over() -> None:
    assert some(name for name in "abcdefg") == "a, b, c, d, e and 2 more"
    assert some({"one": 1}) == "one"
    assert some([]) == ""

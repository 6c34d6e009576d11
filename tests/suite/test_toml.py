"""TOML that is written is read again as it was."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.suite.toml import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXT, one, max_size=3), max_leaves=4
)


@given(st.dictionaries(TEXT, VALUES, max_size=3))
def test_what_is_written_is_read(tables):
    assert tomllib.loads(to_toml(tables)) == tables

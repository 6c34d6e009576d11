"""Values of 0..255 are refused, with the value in [0, 1] that was probably meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.suite.scales import beyond_pixels

from tests.gate.examples import refusal
from tests.suite.examples import SOUND, folder, loaded

__all__ = ["folder"]  # a fixture
ENSEMBLE = '[ensembles.worst]\neps = 8\nattacks = ["square"]\n'
MEAN, STD = "[123.675, 116.28, 103.53]", "[58.395, 57.12, 57.375]"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"[normalisation]\nmean = {MEAN}\n", "[123.7, 116.3, 103.5] is beyond .* [0.485, 0.456, 0.406] was probably"),
        (f"[normalisation]\nstd = {STD}\n", "[58.4, 57.12, 57.38] is beyond .* [0.229, 0.224, 0.225] was probably"),
        (ENSEMBLE, "eps: 8 is beyond the range of a pixel, which is [0, 1]: 0.03137 was probably meant"),
    ],
    ids=["mean", "std", "eps of an ensemble"],
)
def test_a_suite_with_levels_of_pixels_is_refused(folder, more, said):
    text = refusal(lambda: loaded(folder, SOUND + more))
    begin, _, end = said.partition(" .* ")
    assert begin in text
    assert end in text


@pytest.mark.parametrize("more", ["mean = [0.0]\nstd = [0.00392]", "mean = [1.0]\nstd = [1.0]"])
def test_a_model_of_another_scale_is_fed_by_its_std(folder, more):
    loaded(folder, f"{SOUND}[normalisation]\n{more}\n")


@given(st.lists(st.floats(0, 300, allow_nan=False), min_size=1, max_size=3))
def test_only_what_is_above_one_is_beyond(values):
    assert (beyond_pixels(*values) is not None) == (max(values) > 1)

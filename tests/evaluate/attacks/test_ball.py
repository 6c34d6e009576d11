"""The ball of an attack, at its edge: rounding is within it, and hardly more."""

from __future__ import annotations

import pytest
import torch
from pytest_robustness.evaluate.attacks.ball import within
from pytest_robustness.evaluate.attacks.base import Norm

#: Pixels of an image; of as many equal differences the L2 norm is twenty of them.
SHAPE, ROOT = (1, 20, 20), 20


@pytest.mark.parametrize(
    ("norm", "eps", "distance", "inside"),
    [
        ("inf", 0.1, 0.1, True),
        ("inf", 0.1, 0.1000015, True),
        ("inf", 0.1, 0.100003, False),
        ("inf", 0.001, 0.0010009, True),  # of a small epsilon a millionth
        ("inf", 0.001, 0.0010012, False),
        ("2", 10.0, 10.00009, True),  # of a large one a share of it
        ("2", 10.0, 10.00012, False),
        (None, 0.0, 10.0, True),
    ],
)
def test_a_candidate_is_as_far_as_epsilon_and_rounding_go(
    norm: Norm | None, eps: float, distance: float, inside: bool
) -> None:
    clean = torch.full((2, *SHAPE), 0.75, dtype=torch.float64)
    clean[1] = 0.25
    step = torch.zeros_like(clean)
    if norm == "inf":
        step[0, 0, 3, 4], step[1, 0, 19, 19] = -distance, distance  # one pixel is enough, whichever way
    else:
        step += distance / ROOT
        step[0] *= -1
    assert within(clean + step, clean, norm, eps).tolist() == [inside] * 2


@pytest.mark.parametrize(
    ("value", "inside"),
    [(0.0, True), (1.0, True), (-1e-7, False), (1 + 1e-6, False), (torch.nan, False), (torch.inf, False)],
)
@pytest.mark.parametrize("norm", ["inf", "2", None])
def test_a_candidate_is_an_image_black_and_white_included(norm: Norm | None, value: float, inside: bool) -> None:
    clean = torch.full((3, *SHAPE), 0.5)
    candidates = clean.clone()
    candidates[1, 0, 7, 7] = value
    assert within(candidates, clean, norm, 1.0).tolist() == [True, inside, True]

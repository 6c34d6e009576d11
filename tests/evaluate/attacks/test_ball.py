"""The ball of an attack, at its edge, and what an attack may answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.ball import check_adversarial, is_constant, within
from pytest_robustness.evaluate.attacks.base import Norm
from torch import Tensor

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
    if inside:
        check_adversarial(clean + step, clean, norm, eps)
    else:
        with pytest.raises(RobustnessError, match=f"left its L{norm} ball"):
            check_adversarial(clean + step, clean, norm, eps)


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


def pictures(seed: int = 0) -> Tensor:
    return torch.rand((4, 3, 5, 6), generator=torch.Generator().manual_seed(seed))


def moved(clean: Tensor, norm: Norm | None, eps: float) -> Tensor:
    """As far away as the ball is wide, in the box."""
    step = 0.5 - clean
    size = step.flatten(1).abs().amax(1) if norm in (None, "inf") else step.flatten(1).norm(p=float(norm), dim=1)
    return clean + step * (eps / size).view(-1, 1, 1, 1)


@settings(deadline=None)
@given(
    norm=st.sampled_from([None, "inf", "2", "1"]),
    eps=st.sampled_from([0.001, 0.03, 0.4]),
    share=st.floats(0, 0.98),  # single precision rounds the many pixels of an L1 ball by more than a thousandth
    seed=st.integers(0, 99),
)
def test_an_answer_inside_is_what_it_was(norm: Norm | None, eps: float, share: float, seed: int) -> None:
    clean = pictures(seed)
    answer = moved(clean, norm, eps * share)
    assert torch.equal(check_adversarial(answer, clean, norm, eps), answer)


@settings(deadline=None)
@given(
    norm=st.sampled_from(["inf", "2", "1"]),
    eps=st.sampled_from([0.001, 0.03, 0.4]),
    excess=st.floats(1e-7, 9e-7),
    seed=st.integers(0, 99),
)
def test_an_excess_by_rounding_is_put_on_the_edge(norm: Norm, eps: float, excess: float, seed: int) -> None:
    clean = pictures(seed).double()
    answer = moved(clean, norm, eps)
    inside = moved(clean[:2], norm, eps / 2)
    answer[:2] = inside
    answer[2:] = moved(clean[2:], norm, eps + excess)
    checked = check_adversarial(answer, clean, norm, eps)
    difference = (checked - clean).flatten(1)
    size = difference.abs().amax(1) if norm == "inf" else difference.norm(p=float(norm), dim=1)
    assert torch.allclose(size[2:], torch.full((2,), eps, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.equal(checked[:2], inside)


@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_more_than_rounding_is_told_with_the_excess(norm: Norm) -> None:
    clean = pictures()
    answer = moved(clean, norm, 0.25)
    with pytest.raises(RobustnessError) as error:
        check_adversarial(answer, clean, norm, 0.2)
    assert str(error.value) == f"the attack left its L{norm} ball: 0.25 is 0.05 more than eps = 0.2"


@pytest.mark.parametrize("value", [-5e-7, 1 + 5e-7])
def test_beyond_black_or_white_by_rounding_is_black_or_white(value: float) -> None:
    clean = pictures()
    answer = clean.clone()
    answer[1, 2, 3, 4] = value
    checked = check_adversarial(answer, clean, None, 0)
    assert float(checked[1, 2, 3, 4]) == round(value)
    checked[1, 2, 3, 4] = clean[1, 2, 3, 4]
    assert torch.equal(checked, clean)


@pytest.mark.parametrize(
    ("value", "said"),
    [(-0.25, "-0.25, "), (1.5, ", 1.5], 0.5 outside [0, 1]"), (-2e-6, "2e-06 outside [0, 1]"), (1 + 4e-6, "outside")],
)
def test_beyond_the_box_by_more_is_told_with_the_excess(value: float, said: str) -> None:
    answer = pictures()
    answer[0, 0, 0, 0] = value
    with pytest.raises(RobustnessError, match=re.escape(said)):
        check_adversarial(answer, pictures(), None, 0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_floating_numbers_of_any_precision_are_brought_back(dtype: torch.dtype) -> None:
    clean = pictures()
    answer = clean.clone().to(dtype).requires_grad_()
    checked = check_adversarial(answer, clean, "inf", 0.01)
    assert checked.dtype == clean.dtype
    assert checked.device == clean.device
    assert not checked.requires_grad
    assert torch.allclose(checked, clean, rtol=0, atol=0.004)


ANSWERS: dict[str, tuple[Any, str]] = {
    "int64": (torch.ones(4, 3, 5, 6, dtype=torch.int64), "images of torch.int64, not of torch.float32"),
    "uint8": (torch.ones(4, 3, 5, 6, dtype=torch.uint8), "images of torch.uint8, not of torch.float32"),
    "bool": (torch.ones(4, 3, 5, 6, dtype=torch.bool), "images of torch.bool, not of torch.float32"),
    "complex": (pictures().to(torch.complex64), "images of torch.complex64, not of torch.float32"),
    "sparse": (pictures().to_sparse(), "a sparse_coo tensor, not images of (4, 3, 5, 6)"),
    "meta": (pictures().to("meta"), "a meta tensor, not images of (4, 3, 5, 6)"),
    "another shape": (pictures()[:, :, :4], "(4, 3, 4, 6), not images of (4, 3, 5, 6)"),
    "one short": (pictures()[:3], "(3, 3, 5, 6), not images of (4, 3, 5, 6)"),
    "array": (pictures().numpy(), "ndarray, not images of (4, 3, 5, 6)"),
    "pair": ((pictures(), 1), "tuple, not images of (4, 3, 5, 6)"),
    "nothing": (None, "NoneType, not images of (4, 3, 5, 6)"),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_refused_in_one_line() -> None:
    with pytest.raises(RobustnessError, match="the attack returned a nested tensor"):
        check_adversarial(torch.nested.nested_tensor([pictures()[0]]), pictures(), "inf", 1.0)


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_no_batch_of_images_is_refused_in_one_line(name: str) -> None:
    answer, said = ANSWERS[name]
    with pytest.raises(RobustnessError) as error:
        check_adversarial(answer, pictures(), "inf", 1.0)
    assert str(error.value) == f"the attack returned {said}"


@pytest.mark.parametrize(
    ("value", "dtype"), [(torch.nan, torch.float32), (torch.inf, torch.float32), (1e300, torch.float64)]
)
def test_what_is_not_finite_is_refused(value: float, dtype: torch.dtype) -> None:
    """Nor is a number that only another precision can hold."""
    answer = pictures().to(dtype)
    answer[3, 2, 4, 5] = value
    with pytest.raises(RobustnessError, match="the attack returned images that are not finite"):
        check_adversarial(answer, pictures(), None, 0)


def test_no_images_are_fine() -> None:
    none = torch.zeros(0, 3, 5, 6)
    assert check_adversarial(none, none, "2", 1.0).shape == none.shape


def test_an_answer_of_one_colour_is_noticed_unless_the_image_is() -> None:
    clean = pictures()
    clean[3] = 0.25
    answers = clean.clone()
    answers[0] = 0  # black
    answers[1] = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)  # each channel constant
    answers[2, 0] = 0.5  # one channel of three
    answers[3] = 0.3
    assert is_constant(answers, clean).tolist() == [True, True, False, False]

"""The noise rate is float64 scikit-image's 1 - SSIM, also where single precision would lose it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.noise import WINDOW, noise_rate
from skimage.metrics import structural_similarity
from torch import Tensor

CLEAN = {
    "random": lambda rng, shape: rng.random(shape),
    "constant": lambda rng, shape: np.full(shape, rng.random()),
    "black": lambda rng, shape: np.zeros(shape),
    "white": lambda rng, shape: np.ones(shape),
    "saturated": lambda rng, shape: rng.integers(0, 2, shape).astype(float),
    "halves": lambda rng, shape: np.broadcast_to((np.arange(shape[-1]) > shape[-1] // 2).astype(float), shape),
    "ramp": lambda rng, shape: np.broadcast_to(np.linspace(0, 1, shape[-1]), shape),
}
DIRECTION = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "sign": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "shift": lambda rng, shape: np.ones(shape),
    "pixel": lambda rng, shape: np.eye(1, np.prod(shape), rng.integers(np.prod(shape))).reshape(shape),
}


@st.composite
def pairs(draw: st.DrawFn, smallest: float, largest: float) -> tuple[Tensor, Tensor]:
    """Clean and adversarial, (1, C, H, W) float32 in [0, 1]."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    side = st.integers(WINDOW, 20)
    shape = (draw(st.sampled_from((1, 3))), draw(side), draw(side))
    clean = CLEAN[draw(st.sampled_from(sorted(CLEAN)))](rng, shape).astype(np.float32)
    size = 10 ** draw(st.floats(np.log10(smallest), np.log10(largest)))
    moved = clean + size * DIRECTION[draw(st.sampled_from(sorted(DIRECTION)))](rng, shape)
    adversarial = moved.clip(0, 1).astype(np.float32)
    return torch.from_numpy(clean)[None], torch.from_numpy(adversarial)[None]


def reference(clean: Tensor, adversarial: Tensor) -> float:
    """Of one image, in double precision."""
    first, second = (image[0].double().numpy() for image in (clean, adversarial))
    return 1 - float(structural_similarity(first, second, channel_axis=0, data_range=1))


def halves(perturbation: float) -> tuple[Tensor, Tensor]:
    """Locally constant and far from the image's mean: where differences of squares lose most."""
    clean = torch.cat((torch.zeros(1, 1, 9, 8), torch.ones(1, 1, 9, 8)), 3)
    signs = torch.from_numpy(np.indices((9, 16)).sum(0) % 3 - 1).float()
    return clean, (clean + perturbation * signs).clamp(0, 1)


@settings(deadline=None)
@given(pairs(1e-6, 1))
@example(halves(0.05))
@example((torch.full((1, 1, 7, 7), 0.6251), torch.ones(1, 1, 7, 7)))
def test_is_scikit_images_to_a_millionth(pair: tuple[Tensor, Tensor]) -> None:
    assert float(noise_rate(*pair)) == pytest.approx(reference(*pair), rel=0, abs=1e-6)


@settings(deadline=None)
@given(pairs(1e-6, 1e-3))
def test_keeps_three_digits_of_tiny_perturbations(pair: tuple[Tensor, Tensor]) -> None:
    # 1e-12: what is left of 1 - SSIM in double precision
    assert float(noise_rate(*pair)) == pytest.approx(reference(*pair), rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("kind", CLEAN)
def test_no_perturbation_is_exactly_no_noise(kind: str) -> None:
    clean = torch.from_numpy(CLEAN[kind](np.random.default_rng(0), (5, 3, 9, 11)).astype(np.float32))
    assert noise_rate(clean, clean.clone()).tolist() == [0.0] * 5


def test_is_double_precision_per_image_and_follows_the_order_of_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(9, 3, 12, 10, generator=generator)
    adversarial = (clean + 0.03 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    order = torch.randperm(9, generator=generator)
    rates = noise_rate(clean, adversarial)
    assert rates.dtype == torch.float64
    assert rates.shape == (9,)
    assert len(rates.unique()) == 9
    assert torch.equal(noise_rate(clean[order], adversarial[order]), rates[order])
    alone = torch.cat([noise_rate(clean[i : i + 1], adversarial[i : i + 1]) for i in range(9)])
    assert torch.allclose(alone, rates, rtol=1e-6, atol=0)


def test_opposite_images_are_worth_more_than_one() -> None:
    """SSIM goes down to -1: the rate is not clipped at 1."""
    clean = torch.from_numpy(np.indices((8, 8)).sum(0) % 2).float().expand(1, 1, 8, 8)
    assert 1.5 < float(noise_rate(clean, 1 - clean)) <= 2


@pytest.mark.parametrize("size", [(6, 12), (12, 6), (1, 1)])
def test_images_smaller_than_the_window_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(RobustnessError, match=f"{size[0]} x {size[1]} are smaller than SSIM's 7 x 7"):
        noise_rate(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size))

"""Corruptions: each image for itself, looked at once, the same pixels everywhere."""

from __future__ import annotations

import inspect
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.active_batch import NEVER
from pytest_robustness.evaluate.attacks.corruptions import SPECS
from pytest_robustness.evaluate.attacks.corruptions.base import WHITE, Corruption, levels_of, pixel_digest
from pytest_robustness.evaluate.attacks.corruptions.blur import SLANT, smear
from pytest_robustness.evaluate.attacks.corruptions.filters import FEW, Border, Filter
from pytest_robustness.evaluate.attacks.corruptions.fog import clouds
from pytest_robustness.evaluate.attacks.corruptions.noise import HALF, normal, poisson
from pytest_robustness.evaluate.attacks.corruptions.tables import TABLES, constants_of, table_of
from pytest_robustness.evaluate.attacks.rows import RowAttack
from scipy import ndimage, stats
from torch import Tensor

from tests.evaluate import nets
from tests.evaluate.run_rows import key_of, run

DRAWN = {"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "motion_blur", "fog"}
SHAPES = ((3, 12, 12), (1, 28, 28), (3, 31, 29), (3, 70, 65), (3, 2, 5), (1, 1, 1))
of_each_kind = pytest.mark.parametrize("kind", SPECS)


def built(kind: str, severity: int = 3) -> Corruption:
    found: Corruption = SPECS[kind].load()(severity=severity)
    return found


def pictures(shape: tuple[int, ...], count: int = 7) -> np.ndarray:
    return np.random.default_rng(0).integers(0, WHITE + 1, (count, *shape), dtype=np.uint8)


def draws(corruption: Corruption, shape: tuple[int, ...], count: int = 7) -> np.ndarray:
    numbers = np.random.default_rng(1).integers(0, 2**24, (count, corruption.count(shape)))
    return (numbers * 2.0**-24).astype(np.float32)


@of_each_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_is_the_same_alone_and_among_others(kind: str, shape: tuple[int, ...]) -> None:
    """Even before it is cut to 8 bits, bit for bit."""
    for severity in (1, 5):
        corruption = built(kind, severity)
        levels, drawn, constants = (
            pictures(shape),
            draws(corruption, shape),
            constants_of(kind, severity, table_of(shape)),
        )
        together = corruption.apply(levels, constants, drawn)
        alone = [corruption.apply(levels[i : i + 1], constants, drawn[i : i + 1]) for i in range(len(levels))]
        assert together.shape == levels.shape
        assert np.isfinite(together).all()
        assert np.array_equal(together, np.concatenate(alone))


@of_each_kind
def test_in_the_active_batch_each_is_looked_at_once(kind: str) -> None:
    images = torch.from_numpy(pictures((3, 12, 12), 23)).float() / WHITE
    model, calls = nets.tiny().eval(), []

    def looking(batch: Tensor) -> Tensor:
        calls.append(len(batch))
        return model(batch)

    with torch.no_grad():
        labels = model(images).argmax(1)
    attack = built(kind, 5)
    assert isinstance(attack, RowAttack)
    whole = run(attack, looking, images, labels, capacity=8)
    assert calls == [8, 8, 7]
    assert bool((whole.forwards == 1).all() and (whole.gradients == 0).all())
    with torch.no_grad():
        assert torch.equal(whole.fooled, model(whole.adversarial).argmax(1) != labels)
    assert torch.equal(whole.first, torch.where(whole.fooled, 0, NEVER))
    levels = (whole.adversarial * WHITE).round()
    assert torch.equal(levels / WHITE, whole.adversarial)  # of 8 bits
    # other mates, another order, another place
    some = torch.tensor([20, 3, 11])
    again = run(attack, looking, images[some], labels[some], capacity=2)
    assert torch.equal(again.adversarial, whole.adversarial[some])
    # another seed is another image of those that are drawn, and of no other
    other = run(attack, looking, images, labels, seed=1).adversarial
    assert torch.equal(other, whole.adversarial) == (kind not in DRAWN)
    # the key says what is drawn: of the same image under another key, too
    renamed = run(attack, looking, images[:1], labels[:1], keys=[key_of(images[1])]).adversarial
    assert torch.equal(renamed, whole.adversarial[:1]) == (kind not in DRAWN)


@of_each_kind
def test_an_image_is_rounded_to_8_bits_before(kind: str) -> None:
    exact = torch.from_numpy(pictures((3, 12, 12), 3)).float() / WHITE
    near = (exact + 0.3 / WHITE * torch.rand(exact.shape).sub(0.5)).clamp(0, 1)
    labels, keys = torch.zeros(3, dtype=torch.long), [key_of(image) for image in exact]
    found = [run(built(kind), nets.tiny().eval(), images, labels, keys=keys).adversarial for images in (exact, near)]
    assert torch.equal(*found)


@pytest.mark.parametrize("kind", ["gaussian_blur", "zoom_blur", "defocus_blur", "motion_blur"])
def test_the_number_of_threads_does_not_show(kind: str) -> None:
    corruption, levels = built(kind), pictures((3, 150, 150), 2)
    drawn, found = draws(corruption, (3, 150, 150), 2), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(corruption.corrupted(levels, drawn))
    assert np.array_equal(*found)


@pytest.mark.parametrize("kind", ["gaussian_blur", "motion_blur", "zoom_blur", "contrast", "pixelate"])
@pytest.mark.parametrize("side", [20, 100])
def test_one_colour_stays_one_colour(kind: str, side: int) -> None:
    """A level that is whole but for rounding is not cut to the one below."""
    every = np.arange(0, WHITE + 1, 1 if side < 64 else 15, dtype=np.uint8)
    levels = np.tile(every.reshape(-1, 1, 1, 1), (1, 1, side, side))
    for severity in (1, 3, 5):
        corruption = built(kind, severity)
        assert np.array_equal(corruption.corrupted(levels, draws(corruption, levels.shape[1:], len(levels))), levels)


def test_normal_numbers() -> None:
    every = (np.arange(2**20) * 2.0**-20).astype(np.float32)
    found = normal(every)
    assert abs(found.mean()) < 1e-9
    assert found.std() == pytest.approx(1, abs=2e-5)
    assert stats.kstest(found, "norm").statistic < 2e-5
    inner = (every > 0.001) & (every < 0.999)
    assert np.abs(found - stats.norm.ppf(every.astype(float) + 2.0**-21))[inner].max() < 0.003
    assert normal(np.float32([1 - 2.0**-24])).item() == -normal(np.float32([0])).item() > 4.3


@pytest.mark.parametrize("photons", sorted({int(row[0]) for table in TABLES.values() for row in table["shot_noise"]}))
def test_poisson_numbers(photons: int) -> None:
    levels = np.repeat(np.arange(WHITE + 1, dtype=np.uint8), 300)
    drawn = (np.random.default_rng(0).integers(0, 2**24, len(levels)) * 2.0**-24).astype(np.float32)
    drawn[::300], drawn[1::300] = 0, 1 - 2.0**-24
    expected = stats.poisson.ppf(drawn.astype(float) + HALF, levels * (photons / WHITE))
    assert np.array_equal(poisson(levels, drawn, photons), np.minimum(expected, photons))


@given(
    seed=st.integers(0, 2**32 - 1),
    side=st.sampled_from([1, 5, 9, 17]),
    count=st.sampled_from([1, FEW, FEW + 1, 17**2]),  # one by one, and by Fourier transforms
    border=st.sampled_from(["edge", "reflect"]),
)
def test_a_filter_is_a_convolution(seed: int, side: int, count: int, border: Border) -> None:
    rng = np.random.default_rng(seed)
    kernel = np.zeros(side**2)
    kernel[rng.permutation(side**2)[:count]] = rng.random(min(count, side**2))
    kernel = kernel.reshape(side, side)
    image = rng.integers(0, 256, (3, 11, 14), dtype=np.uint8)
    mode = {"edge": "nearest", "reflect": "mirror"}[border]
    expected = np.stack([ndimage.convolve(plane.astype(float), kernel, mode=mode) for plane in image])
    assert np.abs(Filter(kernel, 11, 14)(image, border) - expected).max() < 1e-9 * max(1, kernel.sum())


@pytest.mark.parametrize("degrees", [-SLANT, -20, 0, 33, SLANT])
def test_a_motion_goes_where_its_angle_says(degrees: float) -> None:
    radius, sigma, angle = 15, 5, np.radians(degrees)
    kernel = smear(radius, sigma, angle)
    place = np.arange(len(kernel)) - len(kernel) // 2
    y, x = (kernel * place[:, None]).sum(), (kernel * place).sum()
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    mean = (steps * weights)[: 4 * sigma + 1].sum() / weights[: 4 * sigma + 1].sum()
    assert kernel.sum() == pytest.approx(1)
    assert (y, x) == pytest.approx((mean * np.sin(angle), mean * np.cos(angle)), abs=1e-9)


def test_a_motion_takes_the_colour_of_the_edge_along() -> None:
    levels = np.zeros((1, 1, 30, 40), np.uint8)
    levels[..., 0] = WHITE
    found = built("motion_blur", 5).corrupted(levels, np.array([[0.5]], np.float32))
    weights = np.exp(-(np.arange(19.0) ** 2) / (2 * 2.5**2))[:11]  # at severity 5 of small images
    beyond = weights[::-1].cumsum()[::-1] / weights.sum()
    assert np.array_equal(found[0, 0, 7, :11], np.floor(WHITE * beyond + 1e-6))
    assert not found[..., 11:].any()


@pytest.mark.parametrize(("drawn", "degrees"), [(0, -SLANT), (0.25, -SLANT / 2), (1 - 2.0**-24, SLANT)])
def test_the_angle_of_a_motion_is_drawn(drawn: float, degrees: float) -> None:
    levels = np.zeros((1, 1, 61, 61), np.uint8)
    levels[..., 30, 30] = WHITE
    found = built("motion_blur", 5).corrupted(levels, np.array([[drawn]], np.float32))[0, 0]
    y, x = ((found * place).sum() / found.sum() for place in np.mgrid[-30:31, -30:31])
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(degrees, abs=1.5)


def test_clouds_cover_the_range_and_are_smooth() -> None:
    drawn = np.random.default_rng(0).random((40, 32 * 32 - 1), np.float32)
    rough, smooth = (clouds(drawn, 32, decay) for decay in (1.4, 3))
    for found in (rough, smooth):
        assert np.allclose(found.min((1, 2)), 0)
        assert np.allclose(found.max((1, 2)), 1)
        # they go on at the opposite edge
        assert np.abs(found[:, 0] - found[:, -1]).mean() < 1.3 * np.abs(np.diff(found, axis=1)).mean()
    assert np.abs(np.diff(smooth)).mean() < 0.8 * np.abs(np.diff(rough)).mean()


def test_impulses_are_black_and_white_alike() -> None:
    levels = np.full((40, 3, 80, 80), 100, np.uint8)
    corruption = built("impulse_noise", 5)
    found = corruption.corrupted(levels, draws(corruption, (3, 80, 80), 40))
    shares = [(found == level).mean() for level in (0, WHITE, 100)]
    assert shares == pytest.approx([0.135, 0.135, 0.73], abs=0.002)


def test_what_is_known_before_anything_is_imported() -> None:
    code = (
        "import sys; from pytest_robustness.evaluate.attacks.corruptions import SPECS, tables; "
        "assert SPECS and not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@of_each_kind
def test_specs(kind: str) -> None:
    spec = SPECS[kind]
    loaded = spec.load()
    assert loaded.kind == spec.identity == kind
    assert tuple(inspect.signature(loaded).parameters) == spec.parameters == ("severity",)
    assert spec.budget is not None
    assert spec.budget({}) == 0
    assert spec.norm is loaded.norm is None
    assert loaded(2).of_shape((3, 32, 32)) == {"table": "cifar"}
    assert not loaded.gradient
    assert loaded.looks_only
    assert {len(table[kind]) for table in TABLES.values()} == {5}
    assert (loaded(1).count((3, 8, 8)) > 0) == (kind in DRAWN)


@pytest.mark.parametrize("severity", [0, 6, True, 2.0, "3"])
def test_a_severity_that_is_none(severity: object) -> None:
    with pytest.raises(RobustnessError, match=f"severity: {severity!r} is not a whole number from 1 to 5"):
        SPECS["fog"].load()(severity)


def test_channels() -> None:
    with pytest.raises(RobustnessError, match="contrast: images have 2 channels, and a corruption is of 1 or 3"):
        built("contrast").corrupted(pictures((2, 8, 8)), np.empty((7, 0), np.float32))


@of_each_kind
def test_pillow_is_missing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    if kind not in ("pixelate", "jpeg_compression"):
        built(kind)
        return
    with pytest.raises(
        RobustnessError, match=rf"^{kind} needs Pillow: pip install 'pytest-robustness\[corruptions\]'$"
    ):
        built(kind)


def test_the_larger_side_chooses_the_table() -> None:
    assert table_of((3, 32, 64)) == table_of((64, 32)) == "cifar"
    assert table_of((3, 224, 224)) == table_of((65, 8)) == table_of((3, 8, 65)) == "imagenet"


def test_a_grey_image_is_as_its_red() -> None:
    """Of one channel, a corruption is what it is of three equal ones, but for what is drawn and for colour."""
    grey = pictures((1, 20, 20))
    for kind in set(SPECS) - DRAWN - {"saturate", "jpeg_compression"}:
        corruption, none = built(kind), np.empty((7, 0), np.float32)
        of_three = corruption.corrupted(grey.repeat(3, axis=1), none)
        assert np.array_equal(corruption.corrupted(grey, none), of_three[:, :1]), kind
    assert np.array_equal(built("saturate", 5).corrupted(grey, np.empty((7, 0), np.float32)), grey)


def test_a_digest_is_of_pixels() -> None:
    levels = torch.from_numpy(pictures((3, 5, 4), 1)[0])
    digest = pixel_digest(levels)
    assert digest == sha256(bytes(levels.flatten().tolist())).hexdigest()[:16]
    assert pixel_digest(levels.float() / WHITE) == pixel_digest(levels.double() / WHITE) == digest
    assert pixel_digest(levels.permute(1, 2, 0).contiguous().permute(2, 0, 1)) == digest  # however it lies in memory
    levels[0, 0, 0] ^= 1
    assert pixel_digest(levels) != digest


def test_every_level_survives_a_tensor() -> None:
    levels = torch.arange(WHITE + 1, dtype=torch.uint8).view(1, 1, 16, 16)
    for dtype in (torch.float32, torch.float64, torch.float16):
        assert np.array_equal(levels_of(levels.to(dtype) / WHITE), levels.numpy())

"""Corruptions against those of the package ``imagecorruptions``, at ImageNet's size; what small images go through."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from pytest_robustness.evaluate.attacks.corruptions import SPECS
from pytest_robustness.evaluate.attacks.corruptions.base import Corruption, whole_levels
from pytest_robustness.evaluate.attacks.corruptions.noise import normal
from pytest_robustness.evaluate.attacks.corruptions.tables import SEVERITIES, TABLES
from pytest_robustness.evaluate.attacks.draws import uniform
from pytest_robustness.evaluate.images.image_set import load_images
from scipy import stats

if importlib.util.find_spec("imagecorruptions") is None:
    pytest.skip("not installed: imagecorruptions; pip install '.[test]'", allow_module_level=True)

RANDOM = ("gaussian_noise", "speckle_noise", "shot_noise", "impulse_noise")
KINDS = [kind for kind in SPECS if kind != "motion_blur"]  # ours, and made to equal nobody's
SMALL = Path(__file__).parents[3] / "robustness_tests" / "zoo" / "images" / "selected.npz"


@pytest.fixture(scope="module")
def package() -> Any:
    """``imagecorruptions``, which was written for earlier versions of numpy, setuptools and scikit-image."""
    patch = pytest.MonkeyPatch()
    resources = ModuleType("pkg_resources")
    resources.resource_filename = lambda *_: ""  # type: ignore[attr-defined]  # of pictures that are not used here
    patch.setitem(sys.modules, "pkg_resources", resources)
    patch.setattr(np, "float_", np.float64, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import imagecorruptions
    patch.setattr(
        imagecorruptions.corruptions,
        "gaussian",
        lambda x, sigma, multichannel: skimage.filters.gaussian(x, sigma=sigma, channel_axis=-1),
    )
    yield imagecorruptions
    patch.undo()


@pytest.fixture(scope="module")
def large() -> list[np.ndarray]:
    """Photographs at 224 pixels, one of them grey, noise, and a tinted one, neither square nor of an even size."""
    photographs = [skimage.data.astronaut(), np.stack([skimage.data.camera()] * 3, axis=-1)]
    foolbox = importlib.util.find_spec("foolbox")  # its images only: importing it would take seconds
    if foolbox is not None and foolbox.origin is not None:
        paths = sorted(Path(foolbox.origin).with_name("data").glob("imagenet_*.jpg"))[:1]
        photographs += [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    pictures = [np.asarray(Image.fromarray(one).resize((224, 224))) for one in photographs]
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    tinted = (photographs[0] * np.array([0.9, 0.6, 0.4])).astype(np.uint8)
    return [*pictures, noise, np.asarray(Image.fromarray(tinted).resize((261, 187)))]


def built(kind: str, severity: int) -> Corruption:
    found: Corruption = SPECS[kind].load()(severity=severity)
    return found


def drawn_for(corruption: Corruption, shape: tuple[int, ...], images: int = 1, seed: int = 0) -> np.ndarray:
    keys = [f"{image:016x}" * 4 for image in range(images)]
    return uniform(seed, keys, 0, corruption.count(shape)).numpy()


def corrupted(corruption: Corruption, picture: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Of and to (H, W, 3)."""
    levels = np.ascontiguousarray(picture.transpose(2, 0, 1))[None]
    return corruption.corrupted(levels, drawn)[0].transpose(1, 2, 0)


def feed(patch: pytest.MonkeyPatch, drawn: np.ndarray, shape: tuple[int, ...]) -> None:
    """Let numpy's generator say what an image of this package draws."""
    planes = drawn[0].astype(np.float64)
    values = planes.reshape(shape[2], *shape[:2]).transpose(1, 2, 0) if planes.size == np.prod(shape) else None
    left = iter(planes.tolist())

    def uniforms(low: float, high: float, size: tuple[int, ...]) -> np.ndarray:
        return low + (high - low) * np.array([next(left) for _ in range(int(np.prod(size)))]).reshape(size)

    if values is not None:
        patch.setattr(np.random, "normal", lambda size, scale: scale * normal(values.astype(np.float32)))
        patch.setattr(np.random, "poisson", lambda mean: stats.poisson.ppf(values + 2.0**-25, mean))
    patch.setattr(np.random, "uniform", uniforms)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "impulse_noise"])
def test_the_originals_pixels(
    kind: str, severity: int, package: Any, large: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pixel within one level, and nearly all of them equal, given the same random numbers."""
    corruption, equal = built(kind, severity), []
    # the enlarging differs at the middle of two pixels; which only other sizes than the published ones have
    pictures = large[:-1] if kind == "pixelate" else large
    for picture in pictures[-2:-1] if kind == "shot_noise" else pictures:  # the noise has every level
        drawn = drawn_for(corruption, (3, *picture.shape[:2]))
        own = corrupted(corruption, picture, drawn)
        with monkeypatch.context() as patch:
            feed(patch, drawn, picture.shape)
            original = package.corrupt(picture, severity=severity, corruption_name=kind)
        difference = own.astype(int) - original
        assert np.abs(difference).max() <= 1
        equal.append((difference == 0).mean())
    assert np.mean(equal) > 0.8


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("kind", RANDOM)
def test_the_originals_distribution(kind: str, severity: int, package: Any, large: list[np.ndarray]) -> None:
    """Mean and standard deviation of the change, each of the two with random numbers of its own."""
    corruption, own, original = built(kind, severity), [], []
    picture = large[0][::2, ::2]
    assert max(picture.shape) > 64  # of the same table
    np.random.seed(0)  # what the package draws from
    for drawn in drawn_for(corruption, (3, *picture.shape[:2]), images=30):
        own.append(corrupted(corruption, picture, drawn[None]).astype(int) - picture)
        original.append(package.corrupt(picture, severity=severity, corruption_name=kind).astype(int) - picture)
    error = np.hypot(np.std(own), np.std(original)) / np.size(own) ** 0.5
    assert abs(np.mean(own) - np.mean(original)) < 4 * error
    assert np.std(own) == pytest.approx(np.std(original), rel=0.015)


def small_originals(package: Any) -> dict[str, Callable[..., np.ndarray]]:
    """The published method for an image (32, 32, 3) in [0, 1], by other libraries, given the table's constants."""
    helpers, color = package.corruptions, skimage.color

    def by_hsv(x: np.ndarray, channel: int, factor: float, added: float) -> np.ndarray:
        hsv = color.rgb2hsv(x)
        hsv[..., channel] = np.clip(hsv[..., channel] * factor + added, 0, 1)
        return color.hsv2rgb(hsv)

    def defocus(x: np.ndarray, radius: float, edge: float) -> np.ndarray:
        return helpers.cv2.filter2D(x, -1, helpers.disk(radius, edge))

    def zoom(x: np.ndarray, stop: float, step: float) -> np.ndarray:
        factors = np.arange(1, stop, step)
        layers = [helpers.clipped_zoom(x, factor)[:32, :32] for factor in factors]
        return (x + sum(layers)) / (len(factors) + 1)

    return {
        "gaussian_blur": lambda x, sigma: skimage.filters.gaussian(x, sigma, channel_axis=-1),
        "defocus_blur": defocus,
        "zoom_blur": zoom,
        "brightness": lambda x, added: by_hsv(x, 2, 1, added),
        "saturate": lambda x, factor, added: by_hsv(x, 1, factor, added),
    }


@pytest.mark.parametrize("kind", ["gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "saturate"])
def test_small_images_under_their_own_table(kind: str, package: Any) -> None:
    pictures = load_images(SMALL).pixels[:8].permute(0, 2, 3, 1).numpy()
    original = small_originals(package)[kind]
    for severity, constants in enumerate(TABLES["cifar"][kind], 1):
        corruption = built(kind, severity)
        for picture in pictures:
            expected = whole_levels(original(picture / 255, *constants) * 255)
            own = corrupted(corruption, picture, np.empty((1, 0), np.float32))
            assert np.abs(own.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", SPECS)
def test_severities_ascend(kind: str) -> None:
    """In both tables the mean change grows with the severity, where the constants say so."""
    small = load_images(SMALL).pixels[:16]
    double = partial(torch.nn.functional.interpolate, size=(72, 72), mode="nearest")
    for levels in (small.numpy(), double(small).numpy()):
        change = []
        for severity in SEVERITIES:
            corruption = built(kind, severity)
            answer = corruption.corrupted(levels, drawn_for(corruption, levels.shape[1:], images=16))
            change.append(np.abs(answer.astype(int) - levels).mean())
        # less saturation, then more; 4 is finer fog than 3; of a small image a motion of 8 is as good as one of 6
        parts = {"saturate": (change[:2], change[2:]), "fog": (change[:3], change[3:]), "motion_blur": (change[::2],)}
        for part in parts.get(kind, (change,)):
            assert part == sorted(set(part))

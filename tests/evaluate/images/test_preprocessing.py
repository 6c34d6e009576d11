"""Photographs of any kind become the pixels that torchvision's and timm's own pipelines make of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm.data
import torch
from PIL import Image, ImageCms
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.preprocessing import decode, prepare
from pytest_robustness.evaluate.models.libraries.base import library
from pytest_robustness.records.protocol import Preprocessing
from torchvision.models import get_weight

SIZES = [(300, 200), (200, 301), (97, 453), (256, 256), (31, 40), (1000, 7)]


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise with some structure at every scale."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((width, height))
    fine = rng.integers(-40, 40, (height, width, 3))
    return Image.fromarray((np.asarray(rough) + fine).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["MobileNet_V2_Weights.IMAGENET1K_V1", "Inception_V3_Weights.IMAGENET1K_V1"])
def test_as_torchvision_prepares_images_to_the_pixel(name: str, size: tuple[int, int]) -> None:
    weights = get_weight(name)
    model = weights.__class__.__name__.removesuffix("_Weights").lower()
    expected = library("torchvision").entry(model, weights.name).expected()
    image = photograph(*size)
    theirs = weights.transforms()(image)
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (expected.normalisation.mean, expected.normalisation.std)
    )
    ours = (torch.from_numpy(prepare(decode(encoded(image)), expected.preprocessing)) / 255 - mean) / std
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["inception_v4.tf_in1k", "inception_resnet_v2.tf_in1k", "vit_base_patch16_siglip_224.webli"]
)
def test_as_timm_prepares_images_to_the_pixel(name: str, size: tuple[int, int]) -> None:
    model, _, tag = name.partition(".")
    config = timm.models.get_pretrained_cfg(name)
    pipeline = timm.data.create_transform(
        **timm.data.resolve_data_config(pretrained_cfg=config.to_dict()), normalize=False
    )
    image = photograph(*size)
    expected = library("timm").entry(model, tag).expected()
    assert np.array_equal(prepare(decode(encoded(image)), expected.preprocessing), pipeline(image).numpy())


def test_height_and_width_may_differ() -> None:
    pixels = prepare(photograph(90, 70), Preprocessing(resize=[40, 60], crop=[20, 50]))
    assert pixels.shape == (3, 20, 50)
    whole = np.asarray(photograph(90, 70).resize((60, 40), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(pixels, whole[:, 10:30, 5:55])


PICTURE = photograph(64, 48)
GREY = PICTURE.convert("L")
MODES: dict[str, tuple[bytes, Image.Image]] = {
    "grey": (encoded(GREY), GREY.convert("RGB")),
    "one bit": (encoded(PICTURE.convert("1")), PICTURE.convert("1").convert("RGB")),
    "palette": (encoded(PICTURE.convert("P")), PICTURE.convert("P").convert("RGB")),
    "alpha": (encoded(PICTURE.convert("RGBA")), PICTURE),
    "grey and alpha": (encoded(GREY.convert("LA")), GREY.convert("RGB")),
    "16 bits": (
        encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)),
        GREY.convert("RGB"),
    ),
    "CMYK": (encoded(PICTURE.convert("CMYK"), "TIFF"), PICTURE),
    "bmp": (encoded(PICTURE, "BMP"), PICTURE),
    "webp": (encoded(PICTURE, "WEBP", lossless=True), PICTURE),
    "gif": (encoded(PICTURE.convert("P"), "GIF"), PICTURE.convert("P").convert("RGB")),
    "an animated GIF": (
        encoded(PICTURE.convert("P"), "GIF", save_all=True, append_images=[GREY.convert("P")] * 3),
        PICTURE.convert("P").convert("RGB"),
    ),
    "an animated PNG": (encoded(PICTURE, save_all=True, append_images=[Image.new("RGB", PICTURE.size)]), PICTURE),
    "a colour that is transparent": (
        encoded(PICTURE.convert("P"), transparency=3),
        PICTURE.convert("P").convert("RGB"),
    ),
    "a palette with alpha": (
        encoded(PICTURE.convert("P"), transparency=bytes(range(256))),
        PICTURE.convert("P").convert("RGB"),
    ),
    "CMYK with a profile": (
        encoded(
            PICTURE.convert("CMYK"),
            "TIFF",
            icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ),
        PICTURE,
    ),
    "one pixel": (encoded(PICTURE.crop((0, 0, 1, 1))), PICTURE.crop((0, 0, 1, 1))),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb(mode: str) -> None:
    data, expected = MODES[mode]
    found = decode(data)
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_a_jpeg_of_four_colours_is_what_it_was() -> None:
    """Adobe stores them inverted."""
    found = np.asarray(decode(encoded(PICTURE.convert("CMYK"), "JPEG", quality=100))).astype(int)
    assert np.abs(found - np.asarray(PICTURE)).mean() < 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encoded(Image.fromarray(np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)), "TIFF"), "floating-point"),
        (encoded(Image.fromarray(np.arange(48, dtype=np.int32).reshape(6, 8) + 65500), "TIFF"), "32-bit"),
        (encoded(Image.fromarray(np.arange(48, dtype=np.int32).reshape(6, 8) - 1), "TIFF"), "32-bit"),
    ],
)
def test_pixels_whose_white_nobody_knows_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(RobustnessError, match=f"^{said} pixels, of which nothing says what white is"):
        decode(data)


def test_a_picture_that_would_fill_the_memory_is_refused_before_it_does() -> None:
    """Fifty kilobytes that would be 1.2 GB."""
    data = encoded(Image.new("1", (20_000, 20_000)))
    with pytest.raises(RobustnessError, match="400000000 pixels"):
        decode(data)


def test_a_drawing_that_is_called_a_photograph_is_none() -> None:
    with pytest.raises(RobustnessError, match="of no known format"):
        decode(b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>')


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_rotation_is_applied(orientation: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = np.asarray(decode(encoded(PICTURE, exif=exif)))
    assert np.array_equal(found, np.rot90(np.asarray(PICTURE), turn))


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "text": lambda data: b"no image\nat all",
    "truncated": lambda data: data[: len(data) // 2],
    "header only": lambda data: data[:40],
}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_image_is_refused_in_one_line(kind: str, form: str) -> None:
    with pytest.raises(RobustnessError) as error:
        decode(BROKEN[kind](encoded(PICTURE, form)))
    assert str(error.value).startswith("no image that can be read: ")
    assert "\n" not in str(error.value)


def test_a_long_thin_image_is_refused_where_resizing_would_make_it_huge() -> None:
    thin = Image.new("RGB", (3, 2**20))
    assert prepare(thin, Preprocessing(resize=8, crop=8)).shape == (3, 8, 8)
    with pytest.raises(RobustnessError) as error:
        prepare(thin, Preprocessing(resize=32, crop=8))
    assert str(error.value) == "3 x 1048576 pixels are too long and thin: resized they would be 32 x 11184810"

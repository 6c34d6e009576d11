"""Image sets: what is read, what identifies them, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.image_set import ImageSet, load_images

from tests.evaluate.suites import CPU, as_tensor, pictures

COUNT = 6
ARRAYS = {"images": pictures(COUNT), "labels": np.arange(COUNT), "ids": np.arange(100, 100 + COUNT)}
Save = Callable[..., ImageSet]


@pytest.fixture
def load(tmp_path: Path) -> Save:
    """Write the arrays, changed as told, and read them; None leaves one out.

    Every time to another file: a file is read once as long as its time and size stay.
    """
    numbers = count()

    def write_and_read(save: Callable[..., None] = np.savez, **changed: Any) -> ImageSet:
        arrays = {name: array for name, array in (ARRAYS | changed).items() if array is not None}
        path = tmp_path / f"images{next(numbers)}.npz"
        save(path, **arrays)
        return load_images(path)

    return write_and_read


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_batch_is_pixels_over_255_and_labels(load: Save, save: Callable[..., None]) -> None:
    images = load(save)
    assert len(images) == COUNT
    assert images.ids.tolist() == list(range(100, 106))
    pixels, labels = images.batch(slice(2, 5), CPU, torch.float32)
    assert torch.equal(pixels, as_tensor(ARRAYS["images"])[2:5])
    assert labels.tolist() == [2, 3, 4]
    assert (images.identity.count, images.shape) == (COUNT, (3, 12, 12))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, ">i8", np.uint64])
def test_the_type_of_the_labels_is_not_part_of_the_identity(load: Save, dtype: Any) -> None:
    images = load(labels=ARRAYS["labels"].astype(dtype), ids=ARRAYS["ids"].astype(dtype))
    assert images.labels.dtype == images.ids.dtype == torch.int64
    assert images.identity == load().identity


def test_every_pixel_and_label_and_their_order_are_part_of_the_identity_and_no_id_is(load: Save) -> None:
    pixel = ARRAYS["images"].copy()
    pixel[-1, -1, -1, -1] ^= 1
    label, number = ARRAYS["labels"].copy(), ARRAYS["ids"].copy()
    label[-1] += 1
    number[-1] += 1
    changes: list[dict[str, Any]] = [
        {},
        {"images": pixel},
        {"labels": label},
        {name: array[::-1] for name, array in ARRAYS.items()},
        {name: array[:-1] for name, array in ARRAYS.items()},
        {"images": ARRAYS["images"].reshape(COUNT, 6, 24, 3)},
        {"labels": ARRAYS["ids"], "ids": ARRAYS["labels"]},
    ]
    assert len({load(**change).identity.digest for change in changes}) == len(changes)
    assert load(ids=number).identity == load().identity


def test_an_image_is_known_by_its_pixels_wherever_it_lies(load: Save) -> None:
    keys = load().keys
    assert len(set(keys)) == COUNT
    assert load(**{name: array[::-1] for name, array in ARRAYS.items()}).keys == keys[::-1]
    assert load(labels=ARRAYS["labels"] + 1, ids=ARRAYS["ids"] + 1).keys == keys


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"images": None}, "images"),
        ({"labels": None}, "labels"),
        ({"ids": None}, "ids"),
        ({"images": ARRAYS["images"] / 255}, "images: float64 of (6, 12, 12, 3), not uint8"),
        ({"images": ARRAYS["images"].transpose(0, 3, 1, 2)}, "images: uint8 of (6, 3, 12, 12), not uint8 of (N, H, W"),
        ({"images": ARRAYS["images"][..., 0]}, "images: uint8 of (6, 12, 12), not"),
        ({"labels": ARRAYS["labels"] / 1}, "labels: float64 of (6,), not (6,) integers"),
        ({"labels": ARRAYS["labels"][:-1]}, "labels: int64 of (5,), not (6,) integers"),
        ({"labels": np.eye(6, dtype=int)}, "labels: int64 of (6, 6), not (6,) integers"),
        ({"labels": ARRAYS["labels"] > 2}, "labels: bool of (6,)"),
        ({"labels": ARRAYS["labels"] - 1}, "labels: -1 is negative"),
        pytest.param(
            {"labels": np.full(COUNT, 2**64 - 1, np.uint64)},
            "labels: 18446744073709551615",
        ),
        ({"ids": ARRAYS["ids"].astype(str)}, "ids: <U21 of (6,), not (6,) integers"),
        ({"ids": np.array([None] * COUNT)}, "not an image set"),
    ],
)
def test_other_arrays_are_refused_by_file_and_name(load: Save, changed: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        load(**changed)
    assert str(error.value).startswith(f"{tmp_path / 'images0.npz'}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def broken(kind: str, folder: Path) -> bytes:
    (np.savez_compressed if kind == "damaged" else np.savez)(folder / "good.npz", **ARRAYS)
    good = (folder / "good.npz").read_bytes()
    if kind == "truncated":
        return good[: len(good) // 2]
    if kind == "flipped":
        return good[:900] + bytes([good[900] ^ 0xFF]) + good[901:]
    if kind == "damaged":
        return good[:60] + b"\xff" * 120 + good[180:]
    if kind == "one array":
        np.save(folder / "one.npy", ARRAYS["images"])
        return (folder / "one.npy").read_bytes()
    return {"empty": b"", "text": b"no images\n"}[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "flipped",
        "text",
        "damaged",
        "empty",
        "one array",
    ],
)
def test_a_broken_file_is_an_error_in_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    path.write_bytes(broken(kind, tmp_path))
    with pytest.raises(RobustnessError) as error:
        load_images(path)
    assert str(error.value).startswith(f"{path}: not an image set")
    assert "\n" not in str(error.value)


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, **ARRAYS)
    before = load_images(path)
    assert load_images(path) is before
    np.savez(path, **(ARRAYS | {"labels": np.zeros(COUNT, np.int64)}))
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))
    assert load_images(path).labels.tolist() == [0] * COUNT


def test_a_missing_file_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RobustnessError, match=r"nowhere\.npz: not an image set"):
        load_images(tmp_path / "nowhere.npz")


CAMERAS = np.array(["a", "b", "a", "", "\u00e9", "a"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (CAMERAS, CAMERAS.tolist()),
        (np.arange(COUNT), ["0", "1", "2", "3", "4", "5"]),
        (np.arange(COUNT) > 2, ["False"] * 3 + ["True"] * 3),
    ],
)
def test_columns_are_arrays_beside_the_images_and_no_part_of_what_set_it_is(
    tmp_path: Path, values: np.ndarray, told: list[str]
) -> None:
    path = tmp_path / "some.npz"
    np.savez(path, **ARRAYS, camera=values)
    found = load_images(path, ["camera"])
    assert found.columns == {"camera": told} == found.listed.columns
    assert found.part(range(1, 4)).listed.columns == {"camera": told[1:4]}
    assert found.identity == load_images(path).identity
    assert load_images(path).columns == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "camera: no such array, which the suite slices by"),
        (CAMERAS[:-1], "camera: <U1 of (5,), not (6,) strings or integers"),
        (np.linspace(0, 1, COUNT), "camera: float64 of (6,), not (6,) strings or integers"),
        (np.array([b"a"] * COUNT), "camera: |S1 of (6,), not (6,) strings or integers"),
    ],
)
def test_columns_of_another_kind_are_refused(tmp_path: Path, values: np.ndarray | None, said: str) -> None:
    path = tmp_path / "some.npz"
    np.savez(path, **ARRAYS, **({} if values is None else {"camera": values}))
    with pytest.raises(RobustnessError) as error:
        load_images(path, ["camera"])
    assert str(error.value).startswith(f"{path}: {said}")


def test_a_sample_of_a_set_that_is_sorted_by_class_has_every_class(load: Save) -> None:
    count = 60
    images = load(images=pictures(count), labels=np.arange(count) // 20, ids=np.arange(count))
    sample = images.sample(16)
    assert len(sample) == 16
    assert set(sample.labels.tolist()) == {0, 1, 2}
    for row, (key, label) in enumerate(zip(sample.keys, sample.labels, strict=True)):
        place = list(images.keys).index(key)
        assert torch.equal(sample.pixels[row], images.pixels[place])
        assert label == images.labels[place]
    assert images.sample(16).identity == sample.identity
    assert len(images.sample(100)) == count

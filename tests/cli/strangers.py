"""Repositories of strangers: photographs in folders, a module with classifiers of them, and nothing of ours."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

#: Factories of classifiers of these photographs: whose stripes stand is a forest, whose lie is the sea.
MODULE = '''\
import torch
from torch import nn


class Scenes(nn.Module):
    """Logits of as many classes, of which ``order`` are forest and sea."""

    def __init__(self, order=(0, 1), classes=2, mean=0.0):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(30.0))
        self.order, self.classes, self.mean = order, classes, mean

    def forward(self, images):
        grey = nn.functional.avg_pool2d(images.mean(1, keepdim=True), 3, stride=1)
        across, down = (grey.diff(dim=dim).square().mean((1, 2, 3)) for dim in (3, 2))
        logits = images.new_full((len(images), self.classes), -10.0)
        logits = logits.index_copy(1, torch.tensor(self.order), torch.stack([across, down], 1) * self.gain)
        # a model that was trained on other pixels answers anything
        off = (images.mean() - self.mean).abs() > 0.3
        return torch.where(off, logits.flip(1), logits) if self.mean else logits


def scenes():
    return Scenes()


def swapped():
    return Scenes((1, 0))


def five():
    return Scenes((3, 1), 5)


def constant():
    class Constant(nn.Module):
        def forward(self, images):
            return torch.stack([images.mean((1, 2, 3)) * 0, images.mean((1, 2, 3)) * 0 + 1, images.mean((1, 2, 3))], 1)

    return Constant()


def answer(images):
    grey = images.mean(1)
    return [[abs(one[:, 1:] - one[:, :-1]).mean(), abs(one[1:] - one[:-1]).mean()] for one in grey]
'''
SIDE = 24


def photographs(folder: Path, classes: tuple[str, ...] = ("forest", "sea"), count: int = 12) -> None:
    """Draw images of stripes that stand in the first class and lie in the second, of different shapes."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            height, width = rng.integers(SIDE + 6, 2 * SIDE, 2).tolist()
            stripes = 60 * ((np.arange(width if label == 0 else height) // 4) % 2)
            pixels = np.full((height, width, 3), 90) + rng.integers(0, 20, (height, width, 3))
            pixels = pixels + (stripes[None, :, None] if label == 0 else stripes[:, None, None])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02d}.png")


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, and return what it said."""
    who = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def files(folder: Path) -> dict[str, bytes]:
    """Return what is in every file of a repository, but for git's own and caches."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if not name.startswith(".git/") and "__pycache__" not in name and ".pytest_cache" not in name
    }


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


def copy(repository: Path, to: Path) -> Path:
    return Path(shutil.copytree(repository, to, symlinks=True))

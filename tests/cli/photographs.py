"""The tiny suite with its images in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from pytest_robustness.evaluate.images.folders import Photograph, write_list
from pytest_robustness.evaluate.images.selection import with_digests

from tests.cli.conftest import Project

FOLDER = """\
folder = "photographs"
selected = "selected.csv"
unselected = "unselected.csv"

[preprocessing]
resize = 8
crop = 8
"""


def photographs(folder: Path, file: Path) -> list[Photograph]:
    """The images of an .npz as files in folders of their classes, in its order."""
    found = []
    with np.load(file) as arrays:
        for index, (image, label) in enumerate(zip(arrays["images"], arrays["labels"], strict=True)):
            path = folder / str(label) / f"{index:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
            found.append(Photograph(path.relative_to(folder).as_posix(), int(label)))
    return found


def use_folder(project: Project) -> list[Photograph]:
    """Let the tiny suite attack a folder's images, the same in the same order; all are chosen, and drawn too."""
    folder = project.path / "photographs"
    found = with_digests(folder, photographs(folder, project.path / "images.npz"))
    project.edit("tiny.toml", 'file = "images.npz"\n', FOLDER)
    for name in ("selected.csv", "unselected.csv"):
        write_list(project.path / name, found)
    return found

"""The table of bad input, continued: folders of photographs, and the lists of those that were chosen of them."""

from __future__ import annotations

import io
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_robustness.evaluate.images.folders import Photograph, read_list, write_list
from pytest_robustness.evaluate.images.selection import with_digests

from tests.cli.bad_input import FAILED, OK, USAGE, Row
from tests.cli.conftest import Project

LISTS = ("selected.csv", "unselected.csv")
#: The photograph that is broken.
FIRST = "0/00.png"


def folder(change: Callable[[Path], object], said: str, exit: pytest.ExitCode = USAGE, passed: int = 0) -> Row:  # noqa: A002
    """Of the folder itself, or of what is in it."""
    return Row(lambda project: change(project.path / "photographs"), said, exit, passed)


def photograph(data: bytes, said: str, passed: int = 0) -> Row:
    """Of the bytes of one photograph, which were the same when it was chosen."""

    def broken(project: Project) -> None:
        there = project.path / "photographs"
        for name in LISTS:
            chosen = [Photograph(one.path, one.label) for one in read_list(project.path / name)]
            (there / FIRST).write_bytes(data)
            write_list(project.path / name, with_digests(there, chosen))

    return Row(broken, said, FAILED, passed)


def listed(change: Callable[[list[str]], object], said: str, exit: pytest.ExitCode = USAGE) -> Row:  # noqa: A002
    """Of the lines of the list of attacked images."""

    def broken(project: Project) -> None:
        file = project.path / "selected.csv"
        lines = file.read_text().splitlines()
        change(lines)
        file.write_text("".join(f"{line}\n" for line in lines))

    return Row(broken, said, exit)


def unlisted(said: str, *, images: str = "", change: Callable[[Path], object] = lambda photographs: None) -> Row:
    """Of a folder all of whose images are attacked."""

    def broken(project: Project) -> None:
        project.edit("tiny.toml", 'selected = "selected.csv"\nunselected = "unselected.csv"\n', f"{images}\n")
        change(project.path / "photographs")

    return Row(broken, said, FAILED)


def path(
    name: str, said: str = "selected.csv: line 2: should be a path inside the folder, a label and a sha256"
) -> Row:
    """Of the first path in the list."""
    return listed(lambda lines: lines.__setitem__(1, f"{name},{lines[1].partition(',')[2]}"), said)


def label(text: str, said: str, exit: pytest.ExitCode = USAGE) -> Row:  # noqa: A002
    return listed(lambda lines: lines.__setitem__(1, lines[1].replace(",0,", f",{text},")), said, exit)


def _jpeg() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def _bomb() -> bytes:
    """A PNG whose header promises 3.6 thousand million pixels."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0), b"IDAT")
    sealed_chunks = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(sealed_chunks)


def _emptied(photographs: Path) -> None:
    shutil.rmtree(photographs)
    photographs.mkdir()


def _flat(photographs: Path) -> None:
    for file in sorted(photographs.rglob("*.png")):
        file.rename(photographs / file.name)


def _outside(photographs: Path, change: Callable[[Path], object] = lambda moved: None) -> None:
    """A photograph moves out of the tree and leaves a link behind."""
    moved = photographs.with_name("outside.png")
    first = photographs / FIRST
    first.rename(moved)
    first.symlink_to(moved)
    change(moved)


def _blackened(file: Path) -> None:
    Image.new("RGB", (8, 8)).save(file)


HERE = "photographs"
UNREADABLE = f"{FIRST}: no image that can be read: "
CHANGED = f"{FIRST}: changed since it was chosen: sha256 differs"
LACKS = f"{HERE} lacks {{}} of the images that were chosen, the first "
NO_FOLDER = f"{HERE}: give --robustness-images DIR or set "
FOLDERS: dict[str, Row] = {
    "no folder": folder(shutil.rmtree, NO_FOLDER),
    "a file for the folder": folder(lambda there: (shutil.rmtree(there), there.touch()), NO_FOLDER),
    "an empty folder": folder(_emptied, LACKS.format(40)),
    "a photograph missing": folder(lambda there: (there / FIRST).unlink(), LACKS.format(1) + FIRST),
    "a folder for a photograph": folder(
        lambda there: ((there / FIRST).unlink(), (there / FIRST).mkdir()), LACKS.format(1) + FIRST
    ),
    "a photograph that changed": folder(lambda there: _blackened(there / FIRST), CHANGED, FAILED),
    "a link out of the folder, to another photograph": folder(
        lambda there: _outside(there, _blackened), CHANGED, FAILED
    ),
    "a link out of the folder, to the same": folder(_outside, "", OK, 4),  # its sha256 says which it is
    "a link that leads nowhere": folder(lambda there: _outside(there, Path.unlink), LACKS.format(1) + FIRST),
}

PHOTOGRAPHS = {
    "a corrupt JPEG": photograph(_jpeg().replace(b"\xff\xc0", b"\xff\xd8"), UNREADABLE),
    "a truncated JPEG": photograph(_jpeg()[:-500], f"{UNREADABLE}image file is truncated"),
    "an empty photograph": photograph(b"", f"{UNREADABLE}of no known format"),
    "text for a photograph": photograph(b"no image\nat all", f"{UNREADABLE}of no known format"),
    "a photograph that promises too much": photograph(_bomb(), f"{UNREADABLE}Image size (3600000000 pixels) exceeds"),
}

HEADER = "selected.csv: line 1: should be path,label,sha256"
LISTED = {
    "an empty list": listed(list.clear, "selected.csv: it is empty"),
    "a list without its header": listed(lambda lines: lines.pop(0), HEADER),
    "another header": listed(lambda lines: lines.__setitem__(0, "file,class,md5"), HEADER),
    "a list of no image": listed(lambda lines: lines.__delitem__(slice(1, None)), "selected.csv: lists no image"),
    "a column too many": listed(lambda lines: lines.__setitem__(1, lines[1] + ",x"), "selected.csv: line 2: should be"),
    "a column too few": listed(lambda lines: lines.__setitem__(2, "0/01.png,0"), "selected.csv: line 3: should be"),
    "a photograph twice": listed(lambda lines: lines.append(lines[1]), "selected.csv: line 42: "),
    "a list that is no text": Row(
        lambda project: (project.path / "selected.csv").write_bytes(b"path,label,sha256\n\xe9.png,0,\n"),
        "selected.csv: cannot be read: 'utf-8' codec can't decode byte 0xe9",
        USAGE,
    ),
    "a folder for a list": Row(
        lambda project: ((project.path / "selected.csv").unlink(), (project.path / "selected.csv").mkdir()),
        "tiny.toml: images: no images chosen in ",
        USAGE,
    ),
    "a list cut off": listed(lambda lines: lines.__setitem__(-1, lines[-1][:-9]), "selected.csv: line 41: should be"),
    "a path through the folder's parent": path("../photographs/0/00.png"),
    "an absolute path": path("/etc/passwd"),
    "a path with a zero": path("0/00\0.png"),
    "a path too long for a file": path("0" * 300, LACKS.format(1) + "0" * 300),
    "a label of too many digits": label("9" * 10, "selected.csv: line "),
    "a label that is negative": label("-1", "selected.csv: line "),
    "a label of no class": label("4", "the model has 4 classes, but an image's label is 4", FAILED),
}

NO_CLASS = f"{HERE}: no image has a class of {{}}; found 0, 1, "
CLASSES = {
    "an empty folder, of which all is taken": unlisted(f"{HERE}: no images in this folder", change=_emptied),
    "no folders of classes": unlisted(
        f"{HERE}: no image lies in a folder named as its class; found 00.png", change=_flat
    ),
    "unknown classes": unlisted(NO_CLASS.format("the suite's images.classes"), images='classes = ["cat", "dog"]'),
    "unknown classes of a file": unlisted(
        "classes.txt; found 0, 1, ",
        images='classes = "classes.txt"',
        change=lambda there: there.with_name("classes.txt").write_text("cat\ndog\n"),
    ),
    "no file of classes": unlisted("classes.txt: images.classes: cannot be read: ", images='classes = "classes.txt"'),
    "classes that are no text": unlisted(
        "classes.txt: images.classes: cannot be read: ",
        images='classes = "classes.txt"',
        change=lambda there: there.with_name("classes.txt").write_bytes(b"\xff\xfe"),
    ),
}

ROWS: dict[str, Row] = {**FOLDERS, **PHOTOGRAPHS, **LISTED, **CLASSES}

"""Folders of photographs, and lists of the photographs chosen from them. This module does not import torch."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from unicodedata import normalize

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.evaluate.images.listing import is_hidden, list_images, told
from pytest_robustness.files import is_file
from pytest_robustness.mistaken import mistaken
from pytest_robustness.records.image_list import UNWRITABLE
from pytest_robustness.suite.load import ENVIRONMENT

if TYPE_CHECKING:
    from pytest_robustness.suite.tables import Images

HEADER = ("path", "label", "sha256")
#: The validation split's folder in a data set like torchvision's ImageNet, whose root holds it beside archives.
SPLITS = ("val", "validation")
#: Folder names that are parts of data sets and no classes. A folder that has only these on top is refused.
OTHER_SPLITS = ("test", "train", "training", "testing", "valid", *SPLITS)
WNID = re.compile(r"(n\d{8})(?:_|$)")


@dataclass(frozen=True)
class Photograph:
    """Describes an image file of a folder.

    Attributes:
        path: relative to the folder, with ``/``.
        label: the label of its class; -1 when it has none.
        sha256: sha256 of the file as it was when it was chosen; empty when it is not known.
        columns: further values that its list gives for it, by the column's name.
    """

    path: str
    label: int
    sha256: str = ""
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)

    def read(self, folder: Path) -> bytes:
        """Return the file's bytes. Raises RobustnessError, which names the file, when it is missing or has changed."""
        path = folder / self.path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RobustnessError(f"{path}: cannot be read: {error.strerror}") from None
        if self.sha256 and sha256(data).hexdigest() != self.sha256:
            raise RobustnessError(f"{path}: changed since it was chosen: sha256 differs; restore it, or select anew")
        return data


@dataclass(frozen=True)
class Scan:
    """Holds what was found in a folder.

    Attributes:
        photographs: those that have a label, sorted by path.
        names: names of the classes, in order of their labels.
        unknown: names of folders, or beginnings of file names, that are no class.
        notes: what was left out, a line each.
    """

    photographs: Sequence[Photograph]
    names: Sequence[str] = ()
    unknown: Sequence[str] = field(default=())
    notes: Sequence[str] = field(default=())

    @property
    def missing(self) -> list[str]:
        """Return the names of the classes that have no photograph."""
        present = {photograph.label for photograph in self.photographs}
        return [name for label, name in enumerate(self.names) if label not in present]


def scan(folder: Path, classes: Sequence[Iterable[str]] | None, source: str = "images.classes") -> Scan:
    """Label a folder's images by the folder of their class, or by a wnid that their file's name begins with.

    Args:
        folder: a folder of class folders, or of files ``n01440764_*.JPEG``, or of torchvision's ImageNet, from which
            ``val`` is taken.
        classes: the names each class may have, in order of the labels; None means the names found, sorted.
        source: where the classes are from, for error messages.

    Raises:
        RobustnessError: when no image has a label.
    """
    split = next((name for name in SPLITS if (folder / name).is_dir()), None)
    paths, unread = list_images(folder)
    notes = []
    if split is not None:
        beside = {path[: path.find("/") + 1] or path for path in paths} - {f"{split}/"}
        if beside:
            notes.append(f"only {split}/ is taken, and not {some(sorted(beside))}")
        paths, unread = ([path for path in every if path.startswith(f"{split}/")] for every in (paths, unread))
    notes += told(unread)
    named = [(path, normalize("NFC", _class_name(PurePosixPath(path), split))) for path in paths]
    wanted = f"has a class of {source}"
    if classes is None:
        wanted = "lies in a folder named as its class"
        found = {name for _, name in named if name}
        _check_classes(folder / (split or ""), found, notes)
        classes = [[name] for name in in_order(found)]
    labels = _labels(classes)
    photographs = [Photograph(path, labels[name]) for path, name in named if name in labels]
    unknown = sorted({name or path for path, name in named if name not in labels})
    if not photographs:
        raise RobustnessError(f"{folder}: no image {wanted}; found {some(unknown)}")
    if unknown:
        notes.append(f"what is of no class is left out: {some(unknown)}")
    return Scan(photographs, [next(iter(names)) for names in classes], unknown, notes)


def unlabelled(folder: Path) -> Scan:
    """Return all images of a folder, each with the label 0: the model says which it is."""
    paths, unread = list_images(folder)
    return Scan([Photograph(path, 0) for path in paths], notes=told(unread))


def _check_classes(folder: Path, found: set[str], notes: Sequence[str]) -> None:
    """Raise RobustnessError, with the notes, when the folders in a folder are not exactly its classes.

    Labels follow the order of the folders, so another folder among them would shift the labels.
    """
    with os.scandir(folder) as entries:
        tops = {normalize("NFC", one.name) for one in entries if one.is_dir() and not is_hidden(one.name)}
    name_them = "name the classes by images.classes"
    if tops and {name.lower() for name in tops} <= set(OTHER_SPLITS):
        has = " and ".join(sorted(tops))
        raise RobustnessError(f"{folder}: has {has} on top, and no classes: name one of these folders, or {name_them}")
    if found and (empty := sorted(tops - found)):
        what = f"{empty[0]} has no image: a class without would give its label to the next"
        raise RobustnessError("; ".join([f"{folder}: {what}: add one, remove the folder, or {name_them}", *notes]))


def in_order(names: Iterable[str]) -> list[str]:
    """Return class names in the order of their labels: sorted as text, as torchvision does.

    When the names are the numbers from 0 on, each is its own label.
    """
    names = sorted(names)
    numbers = {name: int(name) for name in names if name.isdecimal() and name.isascii()}
    if sorted(numbers.values()) == list(range(len(names))):
        return sorted(names, key=numbers.__getitem__)
    return names


def _class_name(path: PurePosixPath, split: str | None) -> str:
    parents = path.parts[1 if split else 0 : -1]
    if parents:
        return parents[0]
    wnid = WNID.match(path.name)
    return wnid.group(1) if wnid else ""


def _labels(classes: Sequence[Iterable[str]]) -> dict[str, int]:
    """Return the label of each name. A name that two classes share is left out."""
    labels: dict[str, set[int]] = defaultdict(set)
    for label, names in enumerate(classes):
        for name in names:
            labels[normalize("NFC", name)].add(label)
    return {name: min(found) for name, found in labels.items() if len(found) == 1}


def read_list(path: Path) -> list[Photograph]:
    """Return the photographs that a ``.csv`` lists.

    Raises RobustnessError, which names file and line, for anything else.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        raise RobustnessError(f"{path}: no such list of images") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RobustnessError(f"{path}: cannot be read: {error}") from None
    if not rows or tuple(rows[0][: len(HEADER)]) != HEADER:
        what = mistaken(path) or f"line 1: should be {','.join(HEADER)}, and columns of one's own after them"
        raise RobustnessError(f"{path}: {what}")
    more = rows[0][len(HEADER) :]
    for name in more:
        if not name or UNWRITABLE.search(name) or rows[0].count(name) > 1:
            raise RobustnessError(f"{path}: line 1: {name!r}: no name of a column, or there twice")
    photographs = list(_rows(path, rows[1:], more))
    if not photographs:
        raise RobustnessError(f"{path}: lists no image")
    return photographs


def _rows(path: Path, rows: Iterable[Sequence[str]], columns: Sequence[str]) -> Iterator[Photograph]:
    seen = set()
    for number, row in enumerate(rows, 2):
        name, label, digest, *more = row if len(row) == len(HEADER) + len(columns) else ("", "", "")
        sound = _inside(name) and re.fullmatch(r"\d{1,9}", label, re.ASCII) and re.fullmatch(r"[0-9a-f]{64}", digest)
        if not sound:
            *values, last = "a path inside the folder", "a label", "a sha256", *columns
            said = f"should be {', '.join(values)} and {last}"
            raise RobustnessError(f"{path}: line {number}: {said}, not {','.join(row)!r}")
        if name in seen:
            raise RobustnessError(f"{path}: line {number}: {name} is listed twice")
        seen.add(name)
        yield Photograph(name, int(label), digest, dict(zip(columns, more, strict=True)))


def _inside(name: str) -> bool:
    """Return whether this is a path inside a folder, written in its normal form.

    Other forms are refused, because with them a file could be listed twice.
    """
    path = PurePosixPath(name)
    if UNWRITABLE.search(name) or "\\" in name or not name == path.as_posix() != ".":
        return False
    return not path.is_absolute() and ".." not in path.parts


def write_list(path: Path, photographs: Iterable[Photograph]) -> None:
    """Write a list whole, or not at all. It gets every column that any of its photographs has."""
    photographs = list(photographs)
    columns = list(dict.fromkeys(name for one in photographs for name in one.columns))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        temporary = Path(scratch, path.name)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*HEADER, *columns))
            for one in photographs:
                writer.writerow((one.path, one.label, one.sha256, *(one.columns.get(name, "") for name in columns)))
        temporary.chmod(0o644)
        temporary.replace(path)


def check_replaceable(path: Path) -> None:
    """Raise RobustnessError, which names the file, when a list has columns that a new selection could not fill."""
    columns = read_list(path)[0].columns if is_file(path) else {}
    if columns:
        named = ", ".join(columns)
        raise RobustnessError(f"{path}: has columns of one's own ({named}), which would be lost: rename it")


def problem(images: Images, select: str) -> str | None:
    """Return what a suite's folder of images lacks, and how to get it. Returns None when nothing is missing.

    Args:
        images: the suite's images.
        select: the command that writes the lists.
    """
    folder = images.folder
    if folder is None:
        return None
    problems = []
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises when the name is too long
        problems.append(f"no folder of images {folder}: give --robustness-images DIR or set {ENVIRONMENT}")
    lists = [path for path in (images.selected, images.unselected) if path is not None]
    absent = [path for path in lists if not is_file(path)]
    if absent:
        names = " and ".join(str(path) for path in absent)
        problems.append(f"no images chosen in {names}: choose them with `{select}`")
    if problems:
        return "; ".join(problems)
    chosen = dict.fromkeys(one.path for path in lists for one in read_list(path))
    gone = [path for path in chosen if not is_file(folder / path)]
    if gone:
        return f"{folder} lacks {len(gone)} of the images that were chosen, the first {gone[0]}"
    return None

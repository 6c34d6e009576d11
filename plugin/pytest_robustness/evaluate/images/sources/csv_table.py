"""A table of paths and labels, ``.csv``, whose further columns are kept to slice by."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.sources.base import Source, numbered, sliceable
from pytest_robustness.mistaken import mistaken

#: What columns of paths and of labels are called, tried in this order.
PATHS = ("path", "image", "filename", "file", "file_name", "filepath", "image_path")
LABELS = ("label", "class", "category", "target", "class_name", "label_name")
#: A digest of another's list, which is no column to slice by.
DIGEST = "sha256"


def source(
    path: Path, image_column: str | None = None, label_column: str | None = None, classes: list[str] | None = None
) -> Source:
    """Return the images that a table names.

    Args:
        path: of the table, in UTF-8, with a line of names; commas, semicolons or tabs between the columns.
        image_column: of the paths, relative to the table; None means the first of ``PATHS`` that there is.
        label_column: of the labels, numbers or names; None means the first of ``LABELS`` that there is.
        classes: names of the labels, in their order; None means the names found, sorted.

    Raises RobustnessError, which names file and line, for anything else.
    """
    header, rows = _table(path)
    image = _place(path, header, image_column, PATHS, "--image-column")
    label = _place(path, header, label_column, LABELS, "--label-column")
    if image == label:
        raise RobustnessError(f"{path}: {header[image]} cannot be the column of paths and of labels")
    for number, row in rows:
        if len(row) != len(header):
            raise RobustnessError(f"{path}: line {number}: {len(row)} values, and {len(header)} columns")
        if not row[image].strip() or not row[label].strip():
            missing = header[label] if row[image].strip() else header[image]
            raise RobustnessError(f"{path}: line {number}: no {missing}")
    labels, names = numbered(str(path), [row[label] for _, row in rows], classes)
    more = [place for place, name in enumerate(header) if place not in (image, label) and name != DIGEST]
    columns, notes = sliceable({header[place]: [row[place].strip() for _, row in rows] for place in more})
    paths = [row[image].strip() for _, row in rows]
    if not any((path.parent / one).exists() for one in paths) and any("\\" in one for one in paths):
        paths = [one.replace("\\", "/") for one in paths]  # written on Windows
    return Source(
        str(path),
        labels,
        lambda index: (path.parent / paths[index]).read_bytes(),
        lambda index: paths[index],
        names,
        columns,
        notes,
        path.parent,
        paths,
    )


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and the rows, each with its line's number. Empty lines are passed over."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or mistaken(path) or error
        raise RobustnessError(f"{path}: cannot be read: {why}") from None
    if len(rows) < 2:
        raise RobustnessError(f"{path}: {mistaken(path) or 'should have a line of names and a line for each image'}")
    header = [name.strip() for name in rows[0][1]]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise RobustnessError(f"{path}: line 1: column {twice!r} is there twice")
    return header, rows[1:]


def _place(path: Path, header: Sequence[str], named: str | None, usual: Sequence[str], option: str) -> int:
    lower = [name.lower() for name in header]
    found = next((lower.index(name) for name in usual if name in lower), None)
    if named is not None:
        found = header.index(named) if named in header else None
    if found is None:
        what = f"no column {named!r}" if named is not None else f"no column {' or '.join(usual[:4])}"
        raise RobustnessError(f"{path}: line 1: {what}; it has {', '.join(header)}: name one by {option}")
    return found

"""Files: checks that they are there, follows links, and writes them whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def is_file(path: Path) -> bool:
    """Return whether a path is a file. ``Path.is_file`` raises when the name is too long for a file."""
    return os.path.isfile(path)  # noqa: PTH113


def real(path: Path) -> Path:
    """Return where a path leads, with links followed. ``Path.resolve`` raises for a link that leads to itself."""
    return Path(os.path.realpath(path))


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole: after a crash it has its old content or the new one. Text is written as UTF-8, as it is."""
    with written_whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to, which takes the place of ``path`` when the block ends without an exception."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

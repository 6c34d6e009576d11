"""Files: whether they are there, and writing them whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether it is there. A Path's own raises where its name is too long for one."""
    return os.path.isfile(path)  # noqa: PTH113


def real(path: Path) -> Path:
    """Return where a path leads, links followed. A Path's own ``resolve`` raises for a link that leads to itself."""
    return Path(os.path.realpath(path))


def write_whole(path: Path, text: str) -> None:
    """The old file or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
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

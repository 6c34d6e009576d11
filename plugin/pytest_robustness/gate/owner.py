"""The owner of a folder of baselines: two suites of one name in a repository would overwrite each other's baselines."""

from __future__ import annotations

from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole

#: The file beside the baselines that says where their suite lies in the repository.
NAME = "suite.txt"


def check_owner(folder: Path, suite: Path, root: Path) -> None:
    """Raise RobustnessError when a folder has the baselines of another suite that still exists.

    Args:
        folder: the folder of a suite's baselines.
        suite: the file of the suite that is to use them.
        root: the folder of the repository.
    """
    other = _other(folder, suite, root)
    if other is not None:
        what = f"{suite} has the same name: rename one of the two, or give each a folder by robustness_baselines"
        raise RobustnessError(f"{folder}: has the baselines of {other}, and {what}")


def is_taken(folder: Path, suite: Path, root: Path) -> bool:
    """Return whether a folder has the baselines of another suite that still exists."""
    return _other(folder, suite, root) is not None


def _other(folder: Path, suite: Path, root: Path) -> Path | None:
    """Return the file of another suite whose baselines a folder has. Returns None when there is no such file."""
    try:
        named = (folder / NAME).read_text(encoding="utf-8").strip()
        other = root / named
        return other if named and other.is_file() and real(other) != real(suite) else None
    except (OSError, ValueError):  # there is no such file, or it is not a text or not a path
        return None


def claim(folder: Path, suite: Path, root: Path) -> None:
    """Write down whose baselines a folder has. Does nothing for a suite that does not lie in the repository."""
    if not real(suite).is_relative_to(real(root)):
        return
    text = real(suite).relative_to(real(root)).as_posix() + "\n"
    path = folder / NAME
    try:
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text)
    except (OSError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{path}: cannot be written: {error}") from None

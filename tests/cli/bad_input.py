"""A row of the tables of bad input: what is broken, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli import conftest

Break = Callable[["conftest.Project"], object]
OK, FAILED, USAGE, NOTHING = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.USAGE_ERROR,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


@dataclass(frozen=True)
class Row:
    """What is broken; what the one line says; with what status pytest ends; how many of the four cases still pass."""

    broken: Break
    said: str
    exit: pytest.ExitCode = FAILED
    passed: int = 0
    arguments: tuple[str, ...] = ()


def suite(old: str, new: str, said: str) -> Row:
    return Row(lambda project: project.edit("tiny.toml", old, new), f"tiny.toml: {said}", USAGE)


#: What git puts in a file's place.
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4096\n"


def halve(path: Any) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

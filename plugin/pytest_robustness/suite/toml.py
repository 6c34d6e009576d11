"""Reads TOML files that users write."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.mistaken import mistaken

#: The integers that TOML has. Python's reader takes larger ones, which overflow or have too many digits to print.
WHOLE = range(-(2**63), 2**63)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a file. Raise RobustnessError, naming it, when it cannot be read or is not TOML."""
    try:
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise RobustnessError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise RobustnessError(f"{path}: not TOML: {mistaken(path) or error}") from None
    waiting: list[Any] = [tables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif type(value) is int and value not in WHOLE:
            raise RobustnessError(f"{path}: not TOML: an integer needs {_bits(value)} bits; TOML allows 64")
    return tables


def digest_of(path: Path) -> str:
    """Return a digest of what a file says, whatever its comments and line ends. Raises as ``read_toml`` does."""
    return sha256(json.dumps(read_toml(path), sort_keys=True, default=str).encode()).hexdigest()


def _bits(value: int) -> int:
    """Return how many bits an integer takes in two's complement, its sign included."""
    return (value if value >= 0 else ~value).bit_length() + 1


def to_toml(tables: Mapping[str, Any]) -> str:
    """Return the text of a TOML file with these keys: one line each, tables in braces. Dates are not written."""
    return "".join(f"{_written(key)} = {_written(value)}\n" for key, value in tables.items())


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(key)} = {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, float):
        return repr(value)  # inf and nan are TOML's words too
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

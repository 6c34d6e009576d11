"""Puts one setting into the file that pytest reads, and leaves every other byte of it as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import real, write_whole
from pytest_robustness.setup.repository import OPTIONS, Configuration, Repository, native, parsed, read


@dataclass(frozen=True)
class Insertion:
    """Describes a setting that is put into a file, or that a person has to put there.

    Attributes:
        path: the file.
        table: the table that the line is put into.
        line: the setting.
        text: the file's text with the line in it; None when it cannot be put there safely.
    """

    path: Path
    table: str
    line: str
    text: str | None

    def write(self) -> None:
        """Write the file whole, with the permissions it had, where a link to it leads."""
        assert self.text is not None
        self._put(self.text)

    def undoing(self) -> Callable[[], None]:
        """Return what puts the file back as it is now."""
        path = real(self.path)
        if not path.exists():
            return partial(path.unlink, missing_ok=True)
        return partial(self._put, path.read_bytes())

    def _put(self, content: str | bytes) -> None:
        path = real(self.path)
        mode = path.stat().st_mode if path.exists() else None
        write_whole(path, content)
        if mode is not None:
            path.chmod(mode)


def insertion(repository: Repository, key: str, value: str | list[str], after: Insertion | None = None) -> Insertion:
    """Return how a setting is made: a line in the table that pytest reads, or a new table where it has none.

    ``after`` is one that is written to the same file before. The new text is read again, and has to differ from the
    old one in this key and in nothing else.
    """
    configuration = repository.configuration or Configuration(repository.root / "pytest.ini", "pytest")
    path, table = configuration.path, configuration.table
    line = f"{key} = {_written(value, configuration.syntax)}"
    inserted = after.text if after is not None else None
    old = inserted if inserted is not None else read(path) if path.exists() else ""
    present = configuration.present or inserted is not None
    before = parsed(path, old)
    if key in configuration.values or (table == OPTIONS and native(path, before)):
        return Insertion(path, table, line, None)
    new = _inserted(old, table, line) if present else _appended(old, table, line)
    try:
        sound = new is not None and _only_difference(before, parsed(path, new), table, path, key)
    except RobustnessError:
        sound = False
    return Insertion(path, table, line, new if sound else None)


def _written(value: str | list[str], syntax: str) -> str:
    if syntax == "toml":
        return json.dumps(value, ensure_ascii=False)
    return " ".join(value) if isinstance(value, list) else value


def _inserted(text: str, table: str, line: str) -> str | None:
    """Return the text with a line below the table's header. Returns None when there is not one such header."""
    name = r"\s*\.\s*".join(map(re.escape, table.split(".")))
    headers = list(re.finditer(rf"^[ \t]*\[\s*{name}\s*\][^\r\n]*(\r?\n|\Z)", text, re.MULTILINE))
    if len(headers) != 1:
        return None
    end = headers[0].group(1)
    mark = end or "\n"
    return text[: headers[0].end()] + ("" if end else mark) + line + mark + text[headers[0].end() :]


def _appended(text: str, table: str, line: str) -> str:
    mark = "\r\n" if "\r\n" in text else "\n"
    before = text if not text or text.endswith("\n") else text + mark
    return before + (mark if before else "") + f"[{table}]{mark}{line}{mark}"


def _only_difference(before: Mapping[str, Any], after: Mapping[str, Any], table: str, path: Path, key: str) -> bool:
    """Return whether the tables are equal but for one new key of one table."""
    names = table.split(".") if path.suffix == ".toml" else [table]
    return _without(after, [*names, key]) == _without(before, [*names, key]) and _has(after, [*names, key])


def _without(tables: Mapping[str, Any], names: list[str]) -> Mapping[str, Any]:
    """Return the tables without a key, and without the tables that are empty then."""
    first, *rest = names
    if first not in tables:
        return tables
    others = {name: value for name, value in tables.items() if name != first}
    kept = _without(tables[first], rest) if rest else {}
    return {**others, first: kept} if kept else others


def _has(tables: Any, names: list[str]) -> bool:
    return not names or (isinstance(tables, Mapping) and names[0] in tables and _has(tables[names[0]], names[1:]))

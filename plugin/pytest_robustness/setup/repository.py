"""Finds what pytest reads in a repository: its configuration file, the table in it, and where tests lie."""

from __future__ import annotations

import configparser
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import is_file

#: The files that pytest looks for in a folder, in this order; the first two from version 9 on.
NAMES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
#: Those that are pytest's configuration even when they are empty.
ALWAYS = frozenset(NAMES[:4])
#: pytest's table in each of them, where it has one.
SECTIONS = {"tox.ini": "pytest", "setup.cfg": "tool:pytest", "pyproject.toml": "tool.pytest.ini_options"}
OPTIONS, NATIVE = "tool.pytest.ini_options", "tool.pytest"


@dataclass(frozen=True)
class Configuration:
    """Describes the file that pytest reads.

    Attributes:
        path: the file.
        table: the table of it that pytest reads, or, where there is none yet, would read.
        present: whether the table is there.
        values: what is in it.
    """

    path: Path
    table: str
    present: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def syntax(self) -> Literal["toml", "ini"]:
        return "toml" if self.path.suffix == ".toml" else "ini"

    def words(self, key: str) -> list[str]:
        """Return the words of a value that has several: a list of TOML, or text with spaces between."""
        value = self.values.get(key) or []
        return [str(one) for one in value] if isinstance(value, list) else str(value).split()


@dataclass(frozen=True)
class Repository:
    """Describes a repository as pytest sees it.

    Attributes:
        root: the folder of its configuration file, or the current one, where pytest finds a ``robustness.toml``.
        configuration: what pytest reads; None when there is no such file.
        top: the folder of the git repository; None when there is none.
    """

    root: Path
    configuration: Configuration | None
    top: Path | None

    @classmethod
    def of(cls, folder: Path) -> Repository:
        """Find the repository of a folder. Raises RobustnessError for a configuration that pytest could not read."""
        folder = folder.absolute()
        configuration = _configuration(folder)
        above = (folder, *folder.parents)
        root = configuration.path.parent if configuration else None
        root = root or next((one for one in above if is_file(one / "setup.py")), folder)
        return cls(root, configuration, next((one for one in above if (one / ".git").exists()), None))

    @property
    def test_folder(self) -> Path:
        """Return where a test is found without being named: pytest's own first folder of tests, ``tests``, the root."""
        named = self.configuration.words("testpaths") if self.configuration else []
        folders = [self.root / one for one in (*named, "tests")]
        return next((one for one in folders if one.is_dir()), self.root)

    @property
    def import_folders(self) -> list[Path]:
        """Return the folders that pytest's configuration adds to the import path."""
        return [self.root / one for one in (self.configuration.words("pythonpath") if self.configuration else [])]

    @property
    def sources(self) -> list[Path]:
        """Return the folder of a project's packages where it is not the root: ``src``, where there is one."""
        return [folder for folder in [self.root / "src"] if folder.is_dir() and folder not in self.import_folders]

    @property
    def base(self) -> Path:
        """Return the folder that holds all that is committed: git's, or pytest's where there is no git."""
        return self.top if self.top is not None and self.root.is_relative_to(self.top) else self.root

    def ignores(self, path: Path) -> bool:
        """Return whether git would not commit a file or folder."""
        inside = self.top is not None and path.is_relative_to(self.top)
        return inside and self._git("check-ignore", str(path)) is not None

    @property
    def main_branch(self) -> str:
        """Return the branch that changes are merged into, as far as git knows it: origin's, main, master, this one."""
        origin = self._git("symbolic-ref", "--short", "refs/remotes/origin/HEAD")
        if origin is not None:
            return origin.partition("/")[2]
        known = (self._git("branch", "--list", "--format=%(refname:short)", "main", "master") or "").split()
        return min(known) if known else self._git("symbolic-ref", "--short", "HEAD") or "main"

    def _git(self, *arguments: str) -> str | None:
        """Return what git says. Returns None when it fails, or there is no git or no repository of it."""
        try:
            done = subprocess.run(["git", *arguments], cwd=self.base, capture_output=True, check=False, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None

    def shown(self, path: Path) -> str:
        """Return a path as it is written in the repository's files: relative to the root if it lies below it."""
        path = Path(path).absolute()
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()


def parsed(path: Path, text: str) -> Mapping[str, Any]:
    """Return the tables of a configuration file. Raise RobustnessError, naming it, when it cannot be read."""
    try:
        if path.suffix == ".toml":
            return tomllib.loads(text)
        reader = configparser.ConfigParser(interpolation=None, allow_no_value=True, strict=False)
        reader.optionxform = str  # type: ignore[method-assign, assignment]  # keys keep their case
        reader.read_string(text)
        return {name: dict(reader.items(name)) for name in reader.sections()}
    except (ValueError, configparser.Error) as error:
        raise RobustnessError(f"{path}: cannot be read: {error}") from None


def read(path: Path) -> str:
    """Return a file's text with its line ends as they are. Raise RobustnessError, naming it, when it is no UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RobustnessError(f"{path}: cannot be read: {error}") from None


def native(path: Path, tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is in ``[tool.pytest]`` of a pyproject.toml besides ``ini_options``."""
    table = tables.get("tool", {}).get("pytest", {}) if path.name == "pyproject.toml" else {}
    return {key: value for key, value in table.items() if key != "ini_options"}


def _configuration(folder: Path) -> Configuration | None:
    """Return the file that pytest would read in a folder.

    Source: pytest's documentation, "Initialization: determining rootdir and configfile".
    """
    names = NAMES if _major() >= 9 else NAMES[2:]
    project: Path | None = None
    for place in (folder, *folder.parents):
        for name in names:
            path = place / name
            if not is_file(path):
                continue
            project = project or (path if name == "pyproject.toml" else None)
            found = _read(path)
            if found is not None:
                return found
    return Configuration(project, OPTIONS) if project else None


def _read(path: Path) -> Configuration | None:
    """Return what pytest reads in a file. Returns None when it reads nothing in it."""
    tables = parsed(path, read(path))
    if path.name == "pyproject.toml":
        return _of_project(path, tables)
    table = SECTIONS.get(path.name, "pytest")
    if table in tables:
        return Configuration(path, table, True, tables[table])
    return Configuration(path, table) if path.name in ALWAYS else None


def _of_project(path: Path, tables: Mapping[str, Any]) -> Configuration | None:
    own, options = native(path, tables), tables.get("tool", {}).get("pytest", {}).get("ini_options")
    if own and options and _major() >= 9:
        raise RobustnessError(f"{path}: has [{NATIVE}] and [{OPTIONS}], and pytest reads neither: keep one of them")
    if options is not None:
        return Configuration(path, OPTIONS, True, options)
    return Configuration(path, NATIVE, True, own) if own and _major() >= 9 else None


def _major() -> int:
    return int(version("pytest").partition(".")[0])

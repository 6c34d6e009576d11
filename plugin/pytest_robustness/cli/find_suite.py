"""Finds the suite and the baselines that pytest's configuration names, without pytest."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import is_file

#: Files that may configure pytest, in the order pytest looks for them, and the section that does in each.
CONFIGURATIONS = {
    "pytest.ini": "pytest",
    ".pytest.ini": "pytest",
    "pyproject.toml": "",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}
DEFAULT_SUITE = "robustness.toml"


def configured(folder: Path) -> tuple[Path, Path]:
    """Return the suite and the folder of all baselines of the project in a folder.

    Raises RobustnessError when the project names no suite and has none of the usual name.
    """
    keys = next((keys for name in CONFIGURATIONS if (keys := _keys(folder / name)) is not None), {})
    suite = folder / str(keys.get("robustness_suite") or DEFAULT_SUITE)
    if not is_file(suite):
        raise RobustnessError(f"{suite}: no such suite: name one by --suite FILE.toml, or go to the project's folder")
    return suite, folder / str(keys.get("robustness_baselines") or "baselines")


def _keys(path: Path) -> Mapping[str, object] | None:
    """Return the keys of pytest in a file. Returns None when it is not there, or does not configure pytest."""
    if not is_file(path):
        return None
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            tool = tomllib.loads(text).get("tool", {}).get("pytest")
            return tool if tool is None else tool.get("ini_options", tool)
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        section = CONFIGURATIONS[path.name]
        return dict(parser[section]) if parser.has_section(section) else None
    except (OSError, ValueError, configparser.Error, AttributeError) as error:
        raise RobustnessError(f"{path}: cannot be read: {error}") from None

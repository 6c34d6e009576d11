"""Finds the suites of a run, by the command line, the ini file, or the usual name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_robustness.files import is_file, real

#: The suite that is found without being named, beside pytest's configuration file.
DEFAULT_SUITE = "robustness.toml"


def unnamed_suite(config: pytest.Config) -> Path | None:
    """Return the suite of the usual name, beside pytest's configuration file or in rootdir; None when there is none."""
    folders = [config.inipath.parent] if config.inipath else []
    found = [folder / DEFAULT_SUITE for folder in (*folders, config.rootpath)]
    return next((path for path in found if is_file(path)), None)


def configured_suites(config: pytest.Config) -> list[str]:
    """Return the suites that the ini file names, one a line."""
    named: object = config.getini("robustness_suite")
    if not isinstance(named, str):  # the key was a string first, and pytest takes no lists for such
        raise pytest.UsageError("robustness_suite: should be a string; several suites are named one a line of it")
    return [line.strip() for line in named.splitlines() if line.strip()]


def label_of(path: Path) -> str:
    """Return the beginning of a suite's labels, with what pytest escapes in the id of a test escaped."""
    return f"{path.stem.encode('unicode_escape').decode('ascii')}:"


def find_suites(config: pytest.Config, chosen: Sequence[str], configured: Sequence[str]) -> list[Path]:
    """Return the paths of the suites; the list is empty when none is named or found.

    Raises UsageError for two suites of one name, whose baselines would have one folder.
    """
    default = [config.rootpath / name for name in configured]
    if not configured and (unnamed := unnamed_suite(config)) is not None:
        default = [unnamed]
    found = [_find_suite(config, name, default) for name in chosen] or default
    for number, path in enumerate(found):
        twin = next((other for other in found[:number] if other.stem.lower() == path.stem.lower()), None)
        if twin is not None:
            which = f"{path}: given twice" if real(twin) == real(path) else f"{twin} and {path}: of one name"
            raise pytest.UsageError(f"--robustness-suite: {which}: baselines and cases are kept by a suite's name")
    return found


def _find_suite(config: pytest.Config, chosen: str, default: Sequence[Path]) -> Path:
    """Return the path of a suite that the command line names.

    A path is taken as it is. A name is looked for beside the suite of the ini file, beside the ini file, and in the
    current folder. Raises UsageError when no file has the name.
    """
    invocation = config.invocation_params.dir
    if chosen.endswith(".toml"):
        return invocation / chosen
    folders = [*(path.parent for path in default), config.rootpath, invocation]
    candidates = [folder / f"{chosen}.toml" for folder in folders]
    found = next((path for path in candidates if is_file(path)), None)
    if found is None:
        places = ", ".join(dict.fromkeys(str(path.parent) for path in candidates))
        raise pytest.UsageError(f"--robustness-suite: no {chosen}.toml in {places}")
    return found

"""Finds the suite and the baselines that pytest's configuration names, without pytest."""

from __future__ import annotations

from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import is_file
from pytest_robustness.setup.places import SUITE
from pytest_robustness.setup.repository import Repository


def configured(folder: Path) -> tuple[Path, Path]:
    """Return the suite and the folder of all baselines of the project in a folder.

    Raises RobustnessError when the project names no suite and has none of the usual name.
    """
    project = Repository.of(folder)
    keys = project.configuration.values if project.configuration else {}
    suite = project.root / str(keys.get("robustness_suite") or SUITE)
    if not is_file(suite):
        raise RobustnessError(f"{suite}: no such suite: name one by --suite FILE.toml, or go to the project's folder")
    return suite, _baselines(project)


def configured_baselines(folder: Path) -> Path:
    """Return the folder of all baselines of the project in a folder, whichever of its suites is meant."""
    return _baselines(Repository.of(folder))


def _baselines(project: Repository) -> Path:
    keys = project.configuration.values if project.configuration else {}
    return project.root / str(keys.get("robustness_baselines") or "baselines")

"""Reads a suite, and puts the run's own choices in place of the file's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from pytest_robustness.errors import RobustnessError
from pytest_robustness.suite.problems import explain
from pytest_robustness.suite.suite import Suite
from pytest_robustness.suite.tables import Reading
from pytest_robustness.suite.toml import read_toml

ENVIRONMENT = "PYTEST_ROBUSTNESS_IMAGES"


def load_suite(path: Path, *, files: bool = True) -> Suite:
    """Read and validate a suite.

    ``files`` says whether the images, weights and published values that it names must be there; its rules need none.
    Raises RobustnessError, naming file and key, when it is not a valid suite.
    """
    return validated(read_toml(path), path, files=files)


def validated(tables: dict[str, Any], path: Path, *, files: bool = True) -> Suite:
    """Return the suite that these tables are, as if they lay in a file. Raises RobustnessError as ``load_suite``."""
    if "path" in tables:
        raise RobustnessError(f"{path}: path: unknown key")
    try:
        return Suite.model_validate(tables | {"path": path}, context=Reading(path.parent, files))
    except ValidationError as error:
        raise RobustnessError(f"{path}: {explain(error, Suite)}") from None


def with_images(suite: Suite, chosen: str | None, invocation: Path) -> Suite:
    """Return the suite with the images' folder of the command line, else of the environment, else its own.

    Raises RobustnessError when the command line names a folder and the suite's images are a file.
    """
    if suite.images.folder is None:
        if chosen:
            raise RobustnessError(f"--robustness-images {chosen}: the images of {suite.path} are a file, no folder")
        return suite  # no error: the environment variable is set for all suites
    named = chosen or os.environ.get(ENVIRONMENT)
    return suite.with_folder(invocation / Path(named).expanduser()) if named else suite

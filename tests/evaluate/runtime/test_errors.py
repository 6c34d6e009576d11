"""Whose code an error is said to come from."""

from __future__ import annotations

from pathlib import Path

import pytest_robustness
from pytest_robustness.evaluate.runtime import errors

PACKAGE = Path(pytest_robustness.__file__).parent


def test_every_file_of_this_package_is_ours_and_no_other_is() -> None:
    assert all(errors._ours(str(path)) for path in PACKAGE.rglob("*.py"))
    assert not errors._ours(__file__)
    assert not errors._ours(str(PACKAGE.with_name("pytest_robustness_of_a_stranger") / "models.py"))

"""The suites of a session: one, or several whose cases run together, each with a controller and baselines of its own.

A case is passed around by its label, which is its id; where there are several suites, ``SUITE:MODEL/ATTACK``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_robustness.plugin.settings import Settings

if TYPE_CHECKING:
    from pytest_robustness.suite.suite import Case


class Suites:
    """Holds the settings of each suite, and tells of which suite a case is."""

    def __init__(self, each: Sequence[Settings]) -> None:
        self.each = each

    def __iter__(self) -> Iterator[Settings]:
        return iter(self.each)

    def of(self, label: str) -> tuple[Settings, str]:
        """Return the settings of a case's suite, and the case's id. Raises KeyError for a label of no suite."""
        for settings in self.each:
            case = settings.own(label)
            if case is not None:
                return settings, case
        raise KeyError(label)

    def cases(self) -> dict[str, tuple[Settings, Case]]:
        """Return every case, by its label. Raises RobustnessError for a suite that is not valid."""
        return {settings.label(case.id): (settings, case) for settings in self.each for case in settings.suite.cases()}


SUITES = pytest.StashKey[Suites]()

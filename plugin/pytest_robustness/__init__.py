"""Tells in CI whether a change to an image classifier made it easier to attack.

``attack``, ``judge``, ``measure`` and ``Baselines`` are the gate for programs. Importing the package imports neither
torch nor pytest: torch comes with the first of these that is used, pytest with none.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_robustness.errors import RobustnessError

if TYPE_CHECKING:
    from pytest_robustness.api import Baselines, attack, judge, measure

__version__ = version("pytest-robustness")
__all__ = ["Baselines", "RobustnessError", "__version__", "attack", "judge", "measure"]

#: Public names by the module that has them, imported when one is first used (PEP 562).
LAZY = dict.fromkeys(("Baselines", "attack", "judge", "measure"), "pytest_robustness.api")


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(LAZY[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

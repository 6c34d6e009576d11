"""Parts of other packages: what they declare as entry points in a group of ours is used like our own.

In their ``pyproject.toml``::

    [project.entry-points."pytest_robustness.metrics"]
    median_effort = "their_package.metrics:MedianEffort"
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from pytest_robustness.errors import RobustnessError

#: What others may add, each a group of entry points: ``pytest_robustness.attacks`` and so on.
GROUPS = ("attacks", "engines", "formats", "health", "libraries", "metrics")
PREFIX = "pytest_robustness"


@cache
def declared(group: str) -> Mapping[str, EntryPoint]:
    """Return what others declare in one of ``GROUPS``, by name, sorted; nothing is imported.

    Raises RobustnessError where two packages declare the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=f"{PREFIX}.{group}"), key=lambda point: point.name):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            what = f"{point.name!r} is declared by {_package(other)} and by {_package(point)}"
            raise RobustnessError(f"{PREFIX}.{group}: {what}: uninstall one of them")
    return MappingProxyType(found)


@cache
def extension(group: str, name: str) -> Any:
    """Import what others declare under a name; of a class, return an instance.

    Raises RobustnessError, naming their package, where that fails.
    """
    return _imported(group, name, instance=True)


@cache
def maker(group: str, name: str) -> Any:
    """Import the function or the class that others declare under a name, which is called with arguments.

    Raises RobustnessError, naming their package, where that fails.
    """
    return _imported(group, name, instance=False)


def _imported(group: str, name: str, *, instance: bool) -> Any:
    point = declared(group)[name]
    try:
        found = point.load()
        return found() if instance and isinstance(found, type) else found
    except Exception as error:  # of their code
        what = f"{point.value} of {_package(point)} cannot be imported: {short(error)}"
        raise RobustnessError(f"{PREFIX}.{group}: {what}") from error


def short(error: BaseException) -> str:
    """Return an exception of somebody's code in one line: its type, and the first line that it says."""
    said = str(error).splitlines()[:1] or [""]
    return f"{type(error).__name__}: {said[0]}"


def extensions(group: str) -> dict[str, Any]:
    """Import all that others declare in a group, by name. Raises RobustnessError as ``extension`` does."""
    return {name: extension(group, name) for name in declared(group)}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"

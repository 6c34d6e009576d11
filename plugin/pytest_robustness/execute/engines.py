"""The engines there are, by name.

In-process and Ray are the two of this package. Others are entry points of the group ``pytest_robustness.engines``: a
function from ``Wanted`` to an ``Engine``.
"""

from __future__ import annotations

from pytest_robustness.errors import RobustnessError
from pytest_robustness.execute.engine import ADDRESS, IN_PROCESS, LOCAL, RAY, Engine, Wanted
from pytest_robustness.extensions import declared, extension

GROUP = "engines"


def check_name(name: str) -> None:
    """Raise RobustnessError for the name of no engine."""
    known = [RAY, f"{ADDRESS}HOST:PORT", LOCAL, IN_PROCESS, *declared(GROUP)]
    if name not in known and not (name.startswith(ADDRESS) and len(name) > len(ADDRESS)):
        raise RobustnessError(f"no engine {name!r}: should be one of {', '.join(known)}")


def open_engine(wanted: Wanted) -> Engine:
    """Start an engine, or join it, by its name.

    Raises RobustnessError, in one line, when it cannot be had.
    """
    check_name(wanted.name)
    if wanted.name in declared(GROUP):
        made: Engine = extension(GROUP, wanted.name)(wanted)
        return made
    if wanted.name == IN_PROCESS:
        from pytest_robustness.execute.in_process import InProcess

        return InProcess(wanted)
    try:
        from pytest_robustness.execute.ray.engine import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise RobustnessError(f"{wanted.name}: needs Ray: pip install 'pytest-robustness[ray]'") from None
    return RayEngine(wanted)

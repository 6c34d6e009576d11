"""The engines there are, by name.

In-process and Ray are the two of this package. Others are entry points of the group ``pytest_robustness.engines``: a
function from ``Wanted`` to an ``Engine``, or an engine's class, which is made with one.
"""

from __future__ import annotations

from pytest_robustness.errors import RobustnessError
from pytest_robustness.execute.engine import ADDRESS, IN_PROCESS, LOCAL, RAY, Engine, Wanted
from pytest_robustness.extensions import declared, maker, short

GROUP = "engines"
OWN = (RAY, LOCAL, IN_PROCESS)


def check_name(name: str) -> None:
    """Raise RobustnessError for the name of no engine, and for an engine of others by a name of ours."""
    if taken := [one for one in declared(GROUP) if one in OWN or one.startswith(ADDRESS)]:
        raise RobustnessError(f"pytest_robustness.{GROUP}: {taken[0]} is taken: give another name")
    known = [RAY, f"{ADDRESS}HOST:PORT", LOCAL, IN_PROCESS, *declared(GROUP)]
    if name not in known and not (name.startswith(ADDRESS) and len(name) > len(ADDRESS)):
        raise RobustnessError(f"no engine {name!r}: should be one of {', '.join(known)}")


def open_engine(wanted: Wanted) -> Engine:
    """Start an engine, or join it, by its name.

    Raises RobustnessError, in one line, when it cannot be had.
    """
    check_name(wanted.name)
    if wanted.name in declared(GROUP):
        return _theirs(wanted)
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


def _theirs(wanted: Wanted) -> Engine:
    """Return the engine that another package makes."""
    make, where = maker(GROUP, wanted.name), f"{wanted.name}: {declared(GROUP)[wanted.name].value}"
    try:
        made: Engine = make(wanted)
    except RobustnessError:
        raise
    except Exception as error:  # of their code
        raise RobustnessError(f"{where} raised {short(error)}") from error
    if not callable(getattr(made, "submit", None)):
        raise RobustnessError(f"{where} returned {made!r}, which is no engine")
    return made

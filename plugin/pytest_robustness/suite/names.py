"""Names that become files and folders, which must be possible on every system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, StringConstraints

Named = TypeVar("Named", bound=Mapping[str, object])

#: Names of devices on Windows, which no file can have as its name, with any ending and in upper or lower case.
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)


def portable_name(name: str) -> str:
    """Return the name. Raise ValueError when it cannot be the name of a file on every system."""
    if name.endswith("."):
        raise ValueError("should not end in a dot: Windows drops it, and two names become one")
    if name.partition(".")[0].lower() in DEVICES:
        raise ValueError("should be another name: on Windows it is a device, and no file")
    return name


def distinct_names(named: Named) -> Named:
    """Return what is named. Raise ValueError when names differ in case only: some file systems take them for one."""
    seen: dict[str, str] = {}
    for name in named:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"{other} and {name} differ in case only, and would share files on macOS and Windows")
    return named


#: Names become folder and file names of baselines, and parts of test ids.
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=100),
    AfterValidator(portable_name),
]

"""The errors a user sees, and how they name things."""

from collections.abc import Iterable
from typing import Any


def encodable(text: str) -> str:
    """Write what UTF-8 cannot encode as escapes: names of files may have bytes that are valid in no encoding."""
    return text.encode("utf-8", "backslashreplace").decode()


def some(names: Iterable[object], limit: int = 5) -> str:
    """Write the first ``limit`` of some names, and how many more there are: ``a, b and 7 more``."""
    first, rest = (every := list(names))[:limit], len(every) - limit
    return ", ".join(map(str, first)) + (f" and {rest} more" if rest > 0 else "")


class RobustnessError(Exception):
    """Says in one line what is wrong, where, and what would be right. It is shown without a traceback."""

    def __init__(self, said: str) -> None:
        line = " ".join(said.splitlines())  # names of files and messages of libraries may have several lines
        super().__init__(encodable(line))


class DeviceLost(RobustnessError):
    """Raised when the GPU failed in a way after which this process cannot use it any more.

    ``what`` is what is lost.
    """

    what = "the device"


class NothingAttacked(RobustnessError):
    """Raised when a model classifies none of the images correctly, so that there is nothing to attack."""


class GateFailed(RobustnessError):
    """Raised at the end of a training whose model does not pass by its baselines. ``verdicts`` has one a case."""

    def __init__(self, said: str, verdicts: dict[str, Any]) -> None:
        super().__init__(said)
        self.verdicts = verdicts

    def __reduce__(self) -> tuple[type, tuple[str, dict[str, Any]]]:
        return type(self), (str(self), self.verdicts)

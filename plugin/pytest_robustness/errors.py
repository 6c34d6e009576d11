"""The errors a user sees."""


class RobustnessError(Exception):
    """What is wrong, where, and what would be right, in one line. Shown without a traceback."""

    def __init__(self, said: str) -> None:
        super().__init__(" ".join(said.splitlines()))  # names of files and words of libraries may have several


class DeviceLost(RobustnessError):
    """The GPU failed in a way after which this process cannot use it any more."""

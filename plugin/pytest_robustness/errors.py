"""The errors a user sees."""


def encodable(text: str) -> str:
    """Return a text as UTF-8 can write it: names of files may have bytes that no encoding explains."""
    return text.encode("utf-8", "backslashreplace").decode()


class RobustnessError(Exception):
    """What is wrong, where, and what would be right, in one line. Shown without a traceback."""

    def __init__(self, said: str) -> None:
        line = " ".join(said.splitlines())  # names of files and words of libraries may have several
        super().__init__(encodable(line))


class DeviceLost(RobustnessError):
    """The GPU failed in a way after which this process cannot use it any more."""

"""The errors a user sees."""


def encodable(text: str) -> str:
    """Write what UTF-8 cannot encode as escapes: names of files may have bytes that are valid in no encoding."""
    return text.encode("utf-8", "backslashreplace").decode()


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

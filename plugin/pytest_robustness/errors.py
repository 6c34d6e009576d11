"""The errors a user sees."""


class RobustnessError(Exception):
    """What is wrong, where, and what would be right, in one line. Shown without a traceback."""


class DeviceLost(RobustnessError):
    """The GPU failed in a way after which this process cannot use it any more."""

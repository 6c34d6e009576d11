"""The one error a user sees."""


class RobustnessError(Exception):
    """What is wrong, where, and what would be right, in one line. Shown without a traceback."""

"""One thread here too."""

from tests.evaluate.conftest import _one_thread

__all__ = ["_one_thread"]

#: Projects of their own, which run.py there copies and runs; they are no tests of this one.
collect_ignore = ["repositories"]

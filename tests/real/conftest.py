"""One thread here too."""

from tests.evaluate.conftest import _one_thread

__all__ = ["_one_thread"]

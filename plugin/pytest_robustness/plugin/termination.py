"""Ends a run on SIGTERM, which containers and CI systems send, as on Ctrl-C: with summary, reports and whole files."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

Handler = Callable[[int, FrameType | None], Any] | int | None


class Terminated(KeyboardInterrupt):
    """Raised when the process gets SIGTERM."""


class Termination:
    """Handles SIGTERM on the controller or in a single process. A second signal ends the process at once."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.before: Handler = None

    def pytest_sessionstart(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGTERM, self._end)

    def pytest_unconfigure(self) -> None:
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)
            self.before = None

    def _end(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated("SIGTERM")

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        """Stop the workers too: a signal to this process alone does not reach them, and they would attack on."""
        for process in self._workers():
            with contextlib.suppress(OSError):
                process.terminate()

    def _workers(self) -> Iterator[Any]:
        """Yield the processes of xdist's local workers."""
        manager = getattr(self.config.pluginmanager.getplugin("dsession"), "nodemanager", None)
        for gateway in getattr(manager, "group", ()):
            process = getattr(getattr(gateway, "_io", None), "popen", None)
            if process is not None:
                yield process

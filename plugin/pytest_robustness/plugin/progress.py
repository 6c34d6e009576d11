"""Shows on a terminal, below the dots, how much is done and left while long cases run, and how far each is."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.collection import case_named
from pytest_robustness.plugin.eta import Expected, RunProgress
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.suites import SUITES, Suites

INTERVAL = 0.5  # seconds
DIRECTORY = "robustness_progress"

# Paints the line below the cursor and comes back: index down and up makes room at the bottom of the screen first.
PAINT = "\x1bD\x1b[A\x1b7\x1bD\r{}\x1b[K\x1b8"


def register(config: pytest.Config, *, worker: bool) -> None:
    if worker:
        folder = getattr(config, "workerinput", {}).get(DIRECTORY)
        config.pluginmanager.register(Progress(folder and Path(folder)), Progress.NAME)
    elif sys.stdout.isatty() and config.pluginmanager.hasplugin("terminal") and config.getoption("verbose") >= 0:
        local = not config.getoption("robustness_engine")
        painter = Painter(config.stash[SUITES], workers=len(config.getoption("tx", None) or [None]) if local else 0)
        config.pluginmanager.register(painter, "robustness-painter")
        config.pluginmanager.register(Progress(painter.folder), Progress.NAME)
    else:
        config.pluginmanager.register(Progress(None), Progress.NAME)


class Progress:
    """Leaves a note of how far this process is. It works where cases run."""

    NAME = "robustness-progress"

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.note = folder / os.environ.get("PYTEST_XDIST_WORKER", "main") if folder else None

    def of(self, label: str) -> Callable[[int, int], None]:
        """Return what is to be called with the number of images done and the number of all images."""

        def leave(done: int, total: int) -> None:
            if self.note:
                with contextlib.suppress(OSError):
                    self.note.write_text(f"{label} {done}/{total}")

        return leave

    @property
    def shown(self) -> bool:
        """Return whether anybody sees the notes."""
        return self._folder is not None

    def leave(self, case: str, done: int, total: int) -> None:
        """Note how far a case is that is measured elsewhere. Several may be measured at a time."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._note_of(self._folder, case).write_text(f"{case} {done}/{total}")

    @staticmethod
    def _note_of(folder: Path, case: str) -> Path:
        return folder / case.translate({ord(one): " " for one in "/:"})  # no file of Windows has a colon

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.note and self._folder:
            self.note.unlink(missing_ok=True)
            self._note_of(self._folder, nodeid.rpartition("[")[2].removesuffix("]")).unlink(missing_ok=True)


class Painter:
    """Shows the notes of all processes. It works in the process that has the terminal."""

    def __init__(self, suites: Suites, workers: int) -> None:
        self._suites = suites
        self._run_progress = RunProgress({}, workers)
        self._temporary = tempfile.TemporaryDirectory(prefix="pytest-robustness-")
        self.folder = Path(self._temporary.name)
        self._terminal = os.dup(sys.stdout.fileno())  # capturing replaces the descriptor while tests run
        self._lock = threading.Lock()
        self._painted = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[DIRECTORY] = str(self.folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        (self.folder / node.gateway.id).unlink(missing_ok=True)

    def pytest_sessionstart(self) -> None:
        self._thread.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        if not self._run_progress.expected:  # every worker has the same
            self._expect(ids)

    def _expect(self, nodeids: Sequence[str]) -> None:
        with contextlib.suppress(RobustnessError):  # reported elsewhere
            cases = self._suites.cases()
            named = [label for nodeid in nodeids if (label := case_named(nodeid, cases))]
            self._run_progress.expected.update({label: self._recorded(*self._suites.of(label)) for label in named})

    def _recorded(self, settings: Settings, case: str) -> Expected:
        try:
            baseline = settings.store.read(case)
        except RobustnessError:  # the case will say so
            return Expected()
        return Expected(baseline.seconds, baseline.images.count) if baseline else Expected()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._erase()
        if report.when != "teardown" and (report.when != "setup" or not report.passed):
            case = case_named(report.nodeid, self._run_progress.expected)
            if case:
                self._run_progress.finish(case, report.duration)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._stopped.set()
        self._erase()

    def pytest_unconfigure(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._temporary.cleanup()
        os.close(self._terminal)

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            notes = []
            for path in sorted(self.folder.iterdir()):
                with contextlib.suppress(OSError):
                    notes.append(path.read_text())
            line = self._run_progress.line(notes)
            if line:
                self._paint(line)

    def _paint(self, text: str) -> None:
        width = shutil.get_terminal_size().columns
        with self._lock:
            if not self._stopped.is_set() or not text:
                os.write(self._terminal, PAINT.format(text[: width - 1]).encode())
                self._painted = bool(text)

    def _erase(self) -> None:
        if self._painted:
            self._paint("")

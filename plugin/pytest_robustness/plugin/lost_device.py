"""Ends a process whose GPU is lost before it runs another test: it would report that sound models fail."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from pytest_robustness.errors import DeviceLost, RobustnessError
from pytest_robustness.report.text import printable

#: What is lost.
LOST = pytest.StashKey[str | None]()
#: Marks the report of the test in which the device was lost.
ATTRIBUTE = "_robustness_device_lost"
EXIT_CODE = 70  # EX_SOFTWARE


#: What code that is no test's does to the test it runs in, by the name of pytest's exception.
HOW = {"Skipped": "skipped its own test", "XFailed": "said its own test would fail"}


@contextmanager
def failing(item: pytest.Item, subject: str) -> Iterator[None]:
    """Turn a RobustnessError into a failure of the test in one line, without a traceback. Remember a lost device.

    The same failure results when the code of a model or an attack skips its test or ends the process.
    """
    __tracebackhide__ = True
    try:
        yield
    except RobustnessError as error:
        item.stash[LOST] = error.what if isinstance(error, DeviceLost) else None
        problem = printable(f"{subject}: {' '.join(str(error).split())}")
        raise pytest.fail.Exception(problem, pytrace=False) from None  # else the error is shown too, as its context
    except (pytest.skip.Exception, pytest.xfail.Exception, SystemExit) as ended:
        how = "ended the process" if isinstance(ended, SystemExit) else HOW[type(ended).__name__]
        problem = printable(
            f"{subject}: the code of the model or of the attack {how}: {str(ended) or 'without a word'}"
        )
        raise pytest.fail.Exception(problem, pytrace=False) from None


class LostDevice:
    """Ends a process that runs tests and lost its device: a worker dies and is replaced, a single process stops."""

    def __init__(self, *, worker: bool) -> None:
        self.worker = worker
        self.lost = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        what = item.stash.get(LOST, None)
        if what is not None:
            self.lost = True
            setattr(report, ATTRIBUTE, True)
            if not self.worker:
                item.session.shouldstop = f"{what} is lost, and this process cannot use it any more"
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        if self.lost and self.worker:  # all reports of the test are sent
            os._exit(EXIT_CODE)

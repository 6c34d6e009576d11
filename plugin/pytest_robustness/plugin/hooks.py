"""Hooks for other plugins and conftest files, beside pytest's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_robustness.records.verdict import Verdict
    from pytest_robustness.report.data import Report


def pytest_robustness_verdict(case: str, verdict: Verdict) -> None:
    """Called in the main process when a case has been judged, in the order they end.

    ``case`` is ``MODEL/ATTACK``, or ``SUITE:MODEL/ATTACK`` in a run of several suites. ``verdict`` says ``passed``,
    ``status``, ``reason`` and ``metrics``.
    """


def pytest_robustness_report(report: Report) -> None:
    """Called in the main process at the end of a run, once for each suite, with all that its report has.

    No report is written yet.
    """

"""Logs a report to MLflow: to the active run, that of MLFLOW_RUN_ID, or a new one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import Metric, Param, RunTag

from pytest_robustness.plugin.loggers.values import PREFIX, metrics, parameters

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report

#: The most metrics, and the most parameters and tags, that a server takes at once.
METRICS, PARAMETERS = 1000, 90


def log(report: Report, files: list[Path]) -> str:
    """Log metrics, files, the sentence as a tag, and parameters, and return which run that was.

    A run that was started here ends here; any other goes on, or stays ended. Parameters come last, because a run
    refuses a value for one that has another.
    """
    active = mlflow.active_run()
    name = os.environ.get("MLFLOW_RUN_ID") if active is None else active.info.run_id
    if name:
        _log(report, files, name)
        return f"run {name}"
    with mlflow.start_run(run_name=f"robustness of {report.title}") as run:
        _log(report, files, run.info.run_id)
    return f"run {run.info.run_id}"


def _log(report: Report, files: list[Path], run: str) -> None:
    client, now = mlflow.MlflowClient(), int(time.time() * 1000)
    measured = [Metric(name, value, now, 0) for name, value in metrics(report).items()]
    for some in _parts(measured, METRICS):
        client.log_batch(run, metrics=some)
    for file in files:
        client.log_artifact(run, str(file), PREFIX)
    client.log_batch(run, tags=[RunTag(f"{PREFIX}/sentence", report.sentence)])
    for some in _parts([Param(name, value) for name, value in parameters(report).items()], PARAMETERS):
        client.log_batch(run, params=some)


def _parts(whole: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]

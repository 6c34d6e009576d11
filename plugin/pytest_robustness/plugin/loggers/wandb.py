"""Logs a report to Weights & Biases: to the active run, that of WANDB_RUN_ID, or a new one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import wandb

from pytest_robustness.plugin.loggers.values import PREFIX, metrics, parameters

if TYPE_CHECKING:
    from pytest_robustness.report.data import Report


def log(report: Report, files: list[Path]) -> str:
    """Log metrics, the sentence, parameters as the run's configuration, and files, and return which run that was.

    A run that was started here ends here, and any other goes on.
    """
    active = wandb.run
    # its output would mix with pytest's, and a question for a key would wait for ever
    settings = wandb.Settings(silent=True, console="off", login_timeout=30)
    run = active or wandb.init(name=f"robustness of {report.title}", job_type=PREFIX, settings=settings)
    try:
        run.config.update(parameters(report), allow_val_change=True)
        run.log(metrics(report))
        run.summary[f"{PREFIX}/sentence"] = report.sentence
        artifact = wandb.Artifact(f"{PREFIX}-{re.sub(r'[^A-Za-z0-9_.-]', '_', Path(report.suite).stem)}", type=PREFIX)
        for file in files:
            artifact.add_file(str(file))
        run.log_artifact(artifact)
    finally:
        if active is None:
            run.finish()
    return f"run {run.id}, " + (f"offline in {Path(run.dir).parent}" if run.offline else str(run.url))

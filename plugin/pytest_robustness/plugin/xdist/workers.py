"""Workers, which get one GPU each as long as there are enough, and whole models to run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.lost_device import ATTRIBUTE
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.stash import SHARED_DEVICE
from pytest_robustness.plugin.suites import Suites
from pytest_robustness.plugin.xdist.scheduling import ModelScheduling


def visible_devices() -> list[str]:
    """Return the GPUs this process may use, by index or UUID, without starting CUDA here."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name.strip() for name in listed.split(",") if name.strip() not in ("", "-1")]
    try:
        lines = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(index) for index in range(sum(line.startswith("GPU ") for line in lines.splitlines()))]


class Distribution:
    """Distributes GPUs and cases to workers. It works on the controller."""

    def __init__(self, suites: Suites) -> None:
        self.suites = suites
        self.lost: set[Any] = set()  # workers that end because their GPU failed; what they ran last is reported

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.__dict__.pop(ATTRIBUTE, False):
            self.lost.add(getattr(report, "node", None))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_auto_num_workers(self) -> int | None:
        """Return the workers of ``-n auto``: one per GPU. Returns None, for xdist's own count, when there is no GPU."""
        return len(visible_devices()) or None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Pin workers to GPUs by their environment, so that a worker that replaces a dead one gets its GPU."""
        devices = visible_devices()
        if not devices:
            return
        for index, spec in enumerate(specs):
            if spec.popen:
                spec.env["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
                if len(specs) > len(devices):
                    spec.env[SHARED_DEVICE] = "1"

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> ModelScheduling | None:
        """Return the scheduler for ``--dist load``, which ``-n`` means, or None to leave another distribution alone."""
        if config.getoption("dist") != "load":
            return None
        seconds = {label: _seconds(settings, case.id) for label, (settings, case) in self.suites.cases().items()}
        return ModelScheduling(config, log, seconds, self.lost)


def _seconds(settings: Settings, case: str) -> float | None:
    try:
        baseline = settings.store.read(case)
    except RobustnessError:  # the case will say so
        return None
    return baseline.seconds if baseline else None

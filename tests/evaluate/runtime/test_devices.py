"""How many cores a process may use, and how many threads it therefore has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.evaluate.runtime.devices import available_cores, cpu_quota

#: Of each kind of control group: its files below the mount, what the process says of itself, and the CPUs granted.
GROUPS: dict[str, tuple[Mapping[str, str], str, float | None]] = {
    "a container": ({"cpu.max": "150000 100000"}, "0::/\n", 1.5),
    "no limit": ({"cpu.max": "max 100000"}, "0::/\n", None),
    "a slice": ({"a/b/cpu.max": "400000 100000"}, "0::/a/b\n", 4.0),
    "a parent's limit": ({"a/cpu.max": "50000 100000", "a/b/cpu.max": "400000 100000"}, "0::/a/b\n", 0.5),
    "outside of its namespace": ({"cpu.max": "300000 100000"}, "0::/../../job\n", 3.0),
    "version 1": (
        {"cpu/job/cpu.cfs_quota_us": "250000", "cpu/job/cpu.cfs_period_us": "100000"},
        "11:memory:/job\n4:cpu,cpuacct:/job\n",
        2.5,
    ),
    "version 1 without a limit": (
        {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        "4:cpu,cpuacct:/\n",
        None,
    ),
    "memory alone": ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, "11:memory:/\n", None),
    "nonsense": ({"cpu.max": "many"}, "0::/\nno colon\n", None),
    "nothing": ({}, "", None),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_containers_quota_is_found(name: str, tmp_path: Path) -> None:
    files, own, granted = GROUPS[name]
    for place, text in files.items():
        file = tmp_path / "cgroup" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    (tmp_path / "self").write_text(own)
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "self") == granted


@pytest.mark.parametrize(("quota", "cores"), [(None, 8), (2.5, 2), (0.5, 1), (64.0, 8)])
def test_cores_are_what_the_quota_pays_for(quota: float | None, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(devices, "cpu_quota", lambda: quota)
    assert available_cores() == cores


@pytest.mark.parametrize(
    ("cores", "workers", "told", "threads"), [(8, 1, 6, 6), (8, 3, 8, 2), (8, 1, 1, 1), (2, 4, 2, 1)]
)
def test_threads_are_shared_among_workers_and_never_more_than_torch_was_told(
    cores: int, workers: int, told: int, threads: int
) -> None:
    program = (
        f"import torch; torch.set_num_threads({told}); from pytest_robustness.evaluate.runtime import devices;"
        f"devices.available_cores = lambda: {cores};"
        f"devices.prepare_device(torch.device('cpu'), workers={workers}); print(torch.get_num_threads())"
    )
    assert int(_printed(program)) == threads


def test_threads_are_no_more_than_the_environment_says() -> None:
    program = (
        "import torch; from pytest_robustness.evaluate.runtime import devices;"
        "devices.available_cores = lambda: 8;"
        "devices.prepare_device(torch.device('cpu'), workers=1); print(torch.get_num_threads())"
    )
    assert int(_printed(program, OMP_NUM_THREADS="1")) == 1


def _printed(program: str, **environment: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment).stdout

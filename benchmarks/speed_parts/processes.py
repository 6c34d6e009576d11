"""Commands, and what they took."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Process:
    """What a command took, children included, in seconds."""

    wall: float
    cpu: float
    output: str


def run(command: Sequence[str], **environment: str) -> Process:
    """This Python's, in the repository's root. Raises SystemExit where it neither passed nor failed tests."""
    path = os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in ((0, 1) if "pytest" in command else (0,)):
        raise SystemExit(
            f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    print(f"{wall:.1f} s: {' '.join(command)[:120]}", flush=True)
    return Process(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout)

"""How fast a whole run is: ``pytest robustness_tests`` against the same grid as a loop over torchattacks.

``python benchmarks/suite_speed.py`` prints the figures and writes the tables of docs/performance.md. It needs a quiet
machine and, on two slow cores, half an hour; ``--models vgg11 mobilenet_v2`` compares those only and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import pages  # noqa: E402
from pytest_robustness.gate.store import BaselineStore  # noqa: E402
from pytest_robustness.suite import load_suite  # noqa: E402

OBVIOUS = "the obvious loop"


@dataclass(frozen=True)
class Process:
    """What a command took, children included, in seconds."""

    wall: float
    cpu: float
    output: str


def run(command: Sequence[str], **environment: str) -> Process:
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return Process(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout)


def obvious(suite: Path, models: Sequence[str]) -> tuple[Process, dict[str, dict[str, float]]]:
    """As torch has it by default: as many threads as cores."""
    path = os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT)])
    process = run(["-m", "speed_parts.obvious", str(suite), *models], PYTHONPATH=path)
    rows = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    return process, {row["case"]: row for row in rows}


def gate(workers: int, models: Sequence[str], *options: str) -> tuple[Process, list[dict[str, object]]]:
    """A run of the gate; its benchmarks, which say which worker ran which case and for how long."""
    chosen = ["-k", " or ".join(f"[{model}/" for model in models)] if models else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "benchmark.json")
        command = ["-m", "pytest", "robustness_tests", "-q", "-n", str(workers), *chosen, *options]
        process = run([*command, "--benchmark-json", str(file), "-p", "no:cacheprovider"])
        rows = json.loads(file.read_text())["benchmarks"] if file.exists() and file.stat().st_size else []
    return process, rows


def workers_end(rows: Sequence[Mapping[str, object]]) -> list[float]:
    """Seconds of attacks on each worker: how evenly the work was dealt."""
    dealt = sorted(rows, key=lambda row: row["extra_info"]["worker"])
    return [
        sum(sum(row["stats"]["data"]) for row in mine)
        for _, mine in groupby(dealt, key=lambda row: row["extra_info"]["worker"])
    ]


def main() -> None:
    arguments = parsed()
    docs = None if arguments.models else arguments.docs / "performance.md"
    suite = load_suite(arguments.suite)
    loop, theirs = obvious(arguments.suite, arguments.models)
    single, _ = gate(0, arguments.models)
    double, dealt = gate(2, arguments.models)
    unchanged, _ = gate(0, arguments.models, "--robustness-changed")
    runs = {
        OBVIOUS: loop,
        "`pytest robustness_tests`": single,
        "`pytest robustness_tests -n 2`": double,
        "`pytest robustness_tests --robustness-changed`, nothing changed": unchanged,
    }
    rows = [
        (name, f"{one.wall:.0f}", f"{one.cpu:.0f}", f"{one.wall / loop.wall:.2f}", f"{one.cpu / loop.cpu:.2f}")
        for name, one in runs.items()
    ]
    head = ("run", "wall s", "CPU s", "wall, share of the loop", "CPU, share of the loop")
    pages.shown("suite_speed: runs", pages.table(head, rows), docs)
    ends = workers_end(dealt)
    shares = f"Attacks kept the workers busy for {' and '.join(f'{end:.0f} s' for end in ends)}."
    pages.shown("suite_speed: workers", shares, docs)
    store = BaselineStore(arguments.baselines, suite.name)
    mine = {case: store.read(case) for case in theirs}
    rows = []
    for attack in suite.attacks:
        cases = [case for case in theirs if case.endswith(f"/{attack}")]
        ours = [mine[case].aggregates for case in cases if mine[case]]
        rows.append(
            (
                attack,
                f"{fmean(theirs[case]['success'] for case in cases):.2%}",
                f"{fmean(one.success_rate or 0 for one in ours):.2%}",
                f"{fmean(theirs[case]['noise'] for case in cases):.5f}",
                f"{fmean(one.noise_rate or 0 for one in ours):.5f}",
            )
        )
    head = ("attack", "success, loop", "success, gate", "noise rate, loop", "noise rate, gate")
    pages.shown("suite_speed: results", pages.table(head, rows), docs)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="*", default=[], help="only these; writes nothing")
    parser.add_argument("--suite", type=Path, default=ROOT / "robustness_tests/zoo.toml")
    parser.add_argument("--baselines", type=Path, default=ROOT / "baselines", help="(default: %(default)s)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

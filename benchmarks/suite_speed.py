"""How fast a whole run is: ``pytest robustness_tests`` against the same grid as a loop over torchattacks.

``python benchmarks/suite_speed.py`` prints the figures and writes the tables of docs/performance.md. It needs a quiet
machine and, on two slow cores, three quarters of an hour; ``--models vgg11 mobilenet_v2`` compares those only and
writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import pages  # noqa: E402
from pytest_robustness.gate.store import BaselineStore  # noqa: E402
from pytest_robustness.suite.load import load_suite  # noqa: E402
from pytest_robustness.suite.suite import Suite  # noqa: E402
from speed_parts import inside, starts  # noqa: E402
from speed_parts.processes import Process, run  # noqa: E402

OBVIOUS = "the obvious loop"
TWO, ONE = "`pytest robustness_tests -n 2`", "`pytest robustness_tests`"
CHANGED = f"{ONE[:-1]} --robustness-changed`, nothing changed"
ALL = f"{TWO}, with the ensemble"
#: Of the zoo.
ENSEMBLES = ("worst",)
PARTS = ("starts", "growth", "runs")
TABLES = ("aims", "starts", "workers", "profile", "growth", "runs", "results")
Rows = list[Mapping[str, Any]]
#: What ``starts`` returns.
Turns = tuple[Mapping[str, float], Mapping[str, float]]


def lines(process: Process) -> Rows:
    """What a part printed as JSON."""
    return [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]


def gate(
    workers: int, models: Sequence[str], *options: str, profiled: bool = False, ensembles: bool = False
) -> tuple[Process, Any]:
    """A run of the gate, without the ensembles, which the obvious loop does not have, unless they are asked for.

    With its benchmarks, which say which worker ran which case and for how long; or, profiled, where its time went.
    """
    terms = [f"({' or '.join(f'[{model}/' for model in models)})"] if models else []
    terms += [] if ensembles else [f"not {name}" for name in ENSEMBLES]
    chosen = ["-k", " and ".join(terms)] if terms else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "found.json")
        command = ["-m", "pytest", "robustness_tests", "-q", "-n", str(workers), *chosen, *options]
        command += starts.INSIDE if profiled else ("--benchmark-json", str(file))
        process = run([*command, "-p", "no:cacheprovider"], **{inside.FILE: str(file)})
        found = json.loads(file.read_text()) if file.exists() and file.stat().st_size else {}
    return process, found


def runs_table(runs: Mapping[str, Process]) -> str:
    loop = runs[OBVIOUS]
    rows = [
        (name, f"{one.wall:.0f}", f"{one.cpu:.0f}", f"{one.wall / loop.wall:.2f}", f"{one.cpu / loop.cpu:.2f}")
        for name, one in runs.items()
    ]
    return pages.table(("run", "wall s", "CPU s", "wall, share of the loop", "CPU, share of the loop"), rows)


def busy(dealt: Rows) -> list[float]:
    """Seconds of attacks on each worker: how evenly the work was dealt."""

    def worker(row: Mapping[str, Any]) -> str:
        return str(row["extra_info"]["worker"])

    return [sum(sum(row["stats"]["data"]) for row in mine) for _, mine in groupby(sorted(dealt, key=worker), worker)]


def workers_sentence(ends: Sequence[float]) -> str:
    return (
        f"Attacks kept the workers busy for {' and '.join(f'{end:.0f} s' for end in ends)}: {uneven(ends):.1%} apart."
    )


def uneven(ends: Sequence[float]) -> float:
    return max(ends) / min(ends) - 1


def aims_table(runs: Mapping[str, Process], ends: Sequence[float], parts: Mapping[str, float], first: Turns) -> str:
    """What was aimed at, beside what was measured."""
    loop, two, all_cases = runs[OBVIOUS], runs[TWO], runs[ALL]
    around = parts[inside.GATE] / bare(parts)
    rows = [
        ("the grid with `-n 2`, wall: at most 0.40 of the obvious loop", f"{two.wall / loop.wall:.2f}"),
        ("the same, CPU", f"{two.cpu / loop.cpu:.2f}"),
        ("with the ensemble, CPU: at most 1.4 of without", f"{all_cases.cpu / two.cpu:.2f}"),
        ("`-n 2`: workers at most 10 % apart", f"{uneven(ends):.1%}"),
        (
            "plugin, records, gate and benchmark bridge: under 2 % of evaluate",
            f"{around:.1%}",
        ),
        ("`--robustness-changed`, nothing changed: under 15 s", f"{runs[CHANGED].wall:.0f} s"),
        ("the first case: at most 1.1 of its imports", f"{first[1]['median']:.2f}"),
        ("a collection: under 1.5 s", f"{first[0]['collection']:.2f} s"),
    ]
    return pages.table(("aimed at", "measured"), rows)


def bare(parts: Mapping[str, float]) -> float:
    """CPU seconds of ``evaluate``."""
    return sum(parts.get(part, 0) for part in inside.EVALUATES)


def results_table(suite: Suite, theirs: Rows, store: BaselineStore) -> str:
    rows = []
    for attack in (name for name in suite.regular_attacks if name not in suite.ensembles):
        cases = [row for row in theirs if row["case"].endswith(f"/{attack}")]
        read = [store.read(row["case"]) for row in cases]
        ours = [one.aggregates for one in read if one]
        rows.append(
            (
                attack,
                f"{fmean(row['success'] for row in cases):.2%}",
                f"{fmean(one.success_rate or 0 for one in ours):.2%}",
                f"{fmean(row['noise'] for row in cases):.5f}",
                f"{fmean(one.noise_rate or 0 for one in ours):.5f}",
            )
        )
    head = ("attack", "success, loop", "success, gate", "noise rate, loop", "noise rate, gate")
    return pages.table(head, rows)


def profile_table(parts: Mapping[str, float]) -> str:
    shown = {part: parts.get(part, 0.0) for part in (*inside.EVALUATES, inside.GATE, inside.START)}
    rows = [(part, f"{seconds:.1f}", f"{seconds / bare(parts):.1%}") for part, seconds in shown.items()]
    return pages.table(("part", "CPU s", "share of bare evaluate"), rows)


def growth_table(found: Rows) -> str:
    rows = [
        (
            row["what"],
            row["to"],
            f"{row['cpu']:.1f}",
            f"{1000 * row['cpu'] / row['images']:.1f}",
            "" if row["units"] is None else f"{row['units']:.1f}",
        )
        for row in found
    ]
    return pages.table(("case", "at", "CPU s", "ms an image", "gradient units"), rows, left=2)


def starts_table(seconds: Mapping[str, float], over: Mapping[str, float]) -> str:
    rows = [(name, f"{wall:.2f}") for name, wall in seconds.items()]
    rows.append(("first case over imports", f"{over['median']:.2f} [{over['least']:.2f}, {over['most']:.2f}]"))
    return pages.table(("from the command on, until", "wall s"), rows)


def main() -> None:
    arguments = parsed()
    models, suite = arguments.models, load_suite(arguments.suite)
    docs = None if models else arguments.docs / "performance.md"
    if find_spec("skimage") is None:
        raise SystemExit("no scikit-image: pip install -c constraints.txt scikit-image")
    if docs:
        pages.require(docs, [f"suite_speed: {table}" for table in TABLES])

    def shown(name: str, text: str) -> None:
        pages.shown(f"suite_speed: {name}", text, docs)

    first = starts.starts() if "starts" in arguments.parts else None
    if first:
        shown("starts", starts_table(*first))
    if "growth" in arguments.parts:
        shown("growth", growth_table(lines(run(["-m", "speed_parts.growth", str(arguments.suite)]))))
    if "runs" not in arguments.parts:
        return
    runs = {OBVIOUS: run(["-m", "speed_parts.obvious", str(arguments.suite), *models])}  # on as many threads as cores
    theirs = lines(runs[OBVIOUS])
    shown("results", results_table(suite, theirs, BaselineStore(arguments.baselines, suite.name)))
    runs[TWO], dealt = gate(2, models)
    ends = busy(dealt["benchmarks"])
    shown("workers", workers_sentence(ends))
    runs[ALL], _ = gate(2, models, ensembles=True)
    runs[ONE], parts = gate(0, models, profiled=True)
    shown("profile", profile_table(parts))
    runs[CHANGED], _ = gate(0, models, "--robustness-changed")
    shown("runs", runs_table(runs))
    if first:
        shown("aims", aims_table(runs, ends, parts, first))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="*", default=[], help="only these; writes nothing")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="only these (default: all)")
    parser.add_argument("--suite", type=Path, default=ROOT / "robustness_tests/zoo.toml")
    parser.add_argument("--baselines", type=Path, default=ROOT / "baselines", help="(default: %(default)s)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How long a large run would take on 1 to 64 GPUs: a schedule that is computed, by the planner that engines use.

``python benchmarks/cluster_schedule.py`` prints the tables and writes them into docs/cluster.md. Nothing is attacked. A
gradient unit of one image is taken from the one measurement that docs/performance.md has of a GPU, scaled by each
model's operations; attacks cost what that page measured of them, or one unit a step.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import pages  # noqa: E402
from pytest_robustness.execute.plan import Size, Task, tasks  # noqa: E402
from pytest_robustness.execute.remote import TASKS_OF_A_WORKER  # noqa: E402

PAGE = ROOT / "docs" / "cluster.md"
IMAGES, BATCH = 50_000, 100
#: Measured on an H200: one forward and backward of 32 images by VGG16, in seconds; and VGG16's operations, in GFLOP.
UNIT, VGG16 = 0.045 / 32, 15.47
#: Models above this are left out: they would be half of the run.
LARGEST = 40.0
#: Gradient units an image: measured where the page has them, else one a step and 3 % more.
ATTACKS = {
    "FGSM": 1.03,
    "PGD-10, first success": 4.9,
    "PGD-10": 10.29,
    "PGD-20, first success": 5.7,
    "PGD-20": 20.3,
    "PGD-40, first success": 7.1,
    "PGD-40": 40.3,
    "BIM-10, first success": 4.5,
    "BIM-10": 10.3,
    "MI-FGSM-10, first success": 4.5,
    "MI-FGSM-10": 10.3,
    "C&W-50": 7.1,
    "C&W-50, all steps": 53.1,
    "FMN-20, Linf": 21.2,
    "FMN-20, L2": 21.2,
    "DDN-40": 41.2,
    "APGD-100, cross-entropy": 103.0,
    "APGD-100, DLR": 103.0,
    "Square-1000": 1000 / 3,  # forwards alone, a third of a unit each
    "Gaussian noise": 1 / 3,
}


def operations(count: int) -> dict[str, float]:
    """The GFLOP of ``count`` of torchvision's classifiers, from the smallest to the largest at even distances."""
    from torchvision import models

    every = {}
    for name in models.list_models(module=models):
        meta = next(iter(models.get_model_weights(name))).meta
        if "_ops" in meta and len(meta.get("categories", ())) == 1000 and 0 < meta["_ops"] <= LARGEST:
            every[name] = float(meta["_ops"])
    ordered = sorted(every, key=lambda name: (every[name], name))
    if len(ordered) < count:
        raise SystemExit(f"torchvision has {len(ordered)} such models, not {count}")
    chosen = [ordered[round(place * (len(ordered) - 1) / (count - 1))] for place in range(count)]
    return {name: every[name] for name in chosen}


def makespan(planned: Sequence[Task], workers: int, start: float) -> float:
    """Seconds until all are done when the next free worker takes the longest, each after ``start`` seconds."""
    free = [0.0] * workers
    for task in planned:
        heapq.heappush(free, heapq.heappop(free) + start + task.cost)
    return max(free)


def rows(costs: Mapping[str, float], start: float) -> list[list[str]]:
    sizes = {case: Size(IMAGES, BATCH) for case in costs}
    total = sum(costs.values())
    found = []
    for workers in (1, 2, 4, 8, 16, 32, 64):
        planned = tasks(list(costs), costs, sizes, largest=total / (TASKS_OF_A_WORKER * workers))
        whole = tasks(list(costs), costs, sizes, largest=float("inf"))
        spans = [makespan(one, workers, start) for one in (planned, whole)]
        cut = len({task.case for task in planned if task.rows is not None})
        found.append(
            [
                str(workers),
                str(len(planned)),
                str(cut),
                f"{spans[0] / 3600:,.1f}",
                pages.percent(total / workers / spans[0]),
                pages.percent(total / workers / spans[1]),
                f"{planned[0].cost / 60:.0f}",
            ]
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=float, default=20.0, help="seconds in which a task loads its model")
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    page = None if options.print else PAGE
    ops = operations(50)
    unit = {model: UNIT * count / VGG16 for model, count in ops.items()}
    costs = {f"{model}/{attack}": IMAGES * unit[model] * units for model in unit for attack, units in ATTACKS.items()}
    total = sum(costs.values())
    each = sorted(
        ((attack, sum(cost for case, cost in costs.items() if case.endswith(f"/{attack}"))) for attack in ATTACKS),
        key=lambda pair: -pair[1],
    )
    shares = [
        [attack, f"{ATTACKS[attack]:.1f}", f"{cost / 3600:.0f}", pages.percent(cost / total)] for attack, cost in each
    ]
    pages.shown(
        "cluster_schedule: attacks", pages.table(["attack", "units an image", "GPU hours", "share"], shares), page
    )
    head = ["GPUs", "tasks", "cases in parts", "hours", "efficiency", "were cases whole", "longest task, min"]
    pages.shown("cluster_schedule: schedule", pages.table(head, rows(costs, options.start), left=0), page)
    print(f"\n{len(costs)} cases, {total / 3600:,.0f} GPU hours")


if __name__ == "__main__":
    main()

"""How long it takes until something happens: the first case, and a collection without one."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from speed_parts.inside import FILE, STARTED
from speed_parts.processes import run

TURNS = 7
#: What the first case of the zoo cannot do without.
NEEDED = (
    "pytest",
    "xdist.plugin",
    "pytest_benchmark.plugin",
    "pytest_robustness.plugin",
    "pytest_robustness.evaluate.measure",
    "robustness_tests.zoo",
)
SUITE = ("-m", "pytest", "robustness_tests", "-q", "-n", "0", "-p", "no:cacheprovider")
INSIDE = ("-p", "speed_parts.inside")


def starts() -> tuple[dict[str, float], dict[str, float]]:
    """Wall seconds, medians of turns: of importing what a case needs, until the first case, of a collection.

    Second, the first case over its imports: (median, least, most). Raises SystemExit where a collection imports torch.
    """
    turns = [_turn() for _ in range(TURNS + 1)][1:]  # the first one fills the file cache
    seconds = {name: median(turn[name] for turn in turns) for name in turns[0]}
    ratios = [turn["first case"] / turn["imports"] for turn in turns]
    return seconds, {"median": median(ratios), "least": min(ratios), "most": max(ratios)}


def _turn() -> dict[str, float]:
    imports = run(["-c", f"import {', '.join(NEEDED)}"])
    first = _inside(*SUITE, *INSIDE, **{STARTED: str(time.time())})
    collection = run([*SUITE, "--collect-only"])
    if _inside(*SUITE, *INSIDE, "--collect-only")["torch"]:
        raise SystemExit("a collection imports torch")
    return {"imports": imports.wall, "first case": first["wall"], "collection": collection.wall}


def _inside(*command: str, **environment: str) -> Mapping[str, float]:
    """What the plugin ``inside`` wrote of a run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "inside.json")
        run(command, **{FILE: str(file)}, **environment)
        found: Mapping[str, float] = json.loads(file.read_text())
    return found

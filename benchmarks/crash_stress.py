"""Whether anything can be lost: runs that record baselines are killed, starved and doubled, again and again.

``python benchmarks/crash_stress.py 120`` runs 120 trials of every kind in turn, on a suite of tiny models with three
workers, and prints what it found. After each trial every baseline must be whole, the old one or a new one, nothing but
baselines may be believed, and the summary, where there is one, must say of every case what became of it. Needs POSIX;
a full disk is a small tmpfs where one can be mounted, else a limit on the size of files.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from stress_parts.kinds import KINDS
from stress_parts.problems import problems
from stress_parts.trial import CASES, Trial, files, place_strangers, prepare


def main(trials: int, seed: int, stopped: float) -> int:
    """Print a line a kind, and return the number of trials that showed a problem."""
    started, bad, counts = time.monotonic(), 0, collections.Counter[str]()
    hits, news, leftovers = collections.Counter[str](), collections.Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        first = Trial(folder, random.Random(seed), 0)
        first.finish(first.start(0))
        assert first.exits == [0], first.outputs[0]
        place_strangers(first)
        for number in range(1, trials + 1):
            kind = KINDS[number % len(KINDS)]
            trial = Trial(folder, random.Random(f"{seed}/{number}"), 2 * number, stopped)
            before = files(trial)
            kind(trial)
            found = list(problems(trial, before))
            after = files(trial)
            counts[kind.__name__] += 1
            hits[kind.__name__] += trial.hit
            news[kind.__name__] += sum(after.get(case) != before.get(case) for case in CASES)
            leftovers += len(list(trial.baselines.rglob(".*.tmp")))
            for path in trial.baselines.rglob(".*.tmp"):
                path.unlink()
            print(f"{number}: {kind.__name__} {'struck' if trial.hit else 'missed'}, exit {trial.exits}", flush=True)
            if found:
                bad += 1
                print(f"trial {number}, {kind.__name__}: {'; '.join(found)}\n{trial.outputs}", flush=True)
    for struck, count in counts.items():
        print(f"{struck}: {count} trials, {hits[struck]} struck, {news[struck]} of {count * len(CASES)} baselines new")
    print(f"{leftovers} temporary files left, none believed")
    print(json.dumps({"trials": trials, "bad": bad, "minutes": round((time.monotonic() - started) / 60, 1)}))
    return bad


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stopped", type=float, default=60, metavar="S", help="seconds a stopped worker stands still")
    arguments = parser.parse_args()
    sys.exit(1 if main(arguments.trials, arguments.seed, arguments.stopped) else 0)

"""What each attack costs and how strong it is, beside the same attack of other libraries.

``python benchmarks/attack_strength.py`` prints the figures and writes the table of docs/attacks.md: of a zoo model's
first images, in one process on one thread, by process CPU time. Libraries that are not installed are left out;
``pip install --no-deps -r benchmarks/requirements.txt`` brings adv-lib, the package's [test] extra the others.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.runtime import memory
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.measurement import Measurement

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for robustness_tests

import pages  # noqa: E402
from speed_parts import attacks, libraries, subjects  # noqa: E402
from speed_parts.attacks import EPS, Compared  # noqa: E402
from speed_parts.paired import Peer  # noqa: E402
from speed_parts.subjects import Subject  # noqa: E402

TABLE = "attack_strength"
OTHERS = ("torchattacks", "foolbox", "adv-lib", "pyautoattack")


@dataclass(frozen=True)
class Strength:
    """What an attack came to, and its CPU milliseconds an image.

    Attributes:
        reached: the share of images fooled within a ball of radius ``EPS``; of an attack that looks for the smallest
            perturbation, its median size.
        fooled: the share of images fooled at all.
    """

    reached: float
    fooled: float
    milliseconds: float
    distance: bool

    def __str__(self) -> str:
        if not self.distance:
            return f"{self.reached:.1%}"
        return f"{self.reached:.4f}" + (f" of {self.fooled:.1%}" if self.fooled < 1 else "")


def ours(subject: Subject, attack: Compared, cache: ModelCache) -> tuple[Strength, Measurement]:
    """The attack alone, as a case makes it, with a look at each answer."""
    found = evaluate(subject.case(attack), stopwatch=Stopwatch(subject.count), model_cache=cache)
    aggregates = found.aggregates
    success = aggregates.success_rate or 0.0
    reached = aggregates.distance or 0.0 if attack.distance else success
    each = 1000 * found.timing.attack_seconds / aggregates.images
    return Strength(reached, success, each, attack.distance is not None), found


def theirs(subject: Subject, attack: Compared, library: str) -> Strength | None:
    """As a user calls it, success check included; None where the library has no such attack."""
    call = libraries.call_of(library, attack.call)
    if call is None:
        return None
    batches = list(subject.batches(subject.plain, subject.suite.batch_size))
    peer = Peer(lambda batch: libraries.answer(call, batch), batches, float("inf"), attack.distance)
    for number in range(len(batches)):
        peer.step(number)
    peer.end_turn()
    reached = peer.median_distance if attack.distance else peer.success
    return Strength(reached, peer.success, peer.milliseconds[0], attack.distance is not None)


def row(subject: Subject, attack: Compared, cache: ModelCache) -> tuple[str, ...]:
    mine, found = ours(subject, attack, cache)
    evidence = found.evidence
    cells = []
    for library in OTHERS:
        other = theirs(subject, attack, library)
        cells += ["-", "-"] if other is None else [str(other), f"{other.milliseconds:.1f}"]
    work = (f"{mean(evidence.forwards):.1f}", f"{mean(evidence.gradients):.1f}")
    return subject.name, attack.name, *work, f"{mine.milliseconds:.1f}", str(mine), *cells


def mean(work: Sequence[int | None] | None) -> float:
    """Of the images that were attacked."""
    return fmean(one for one in work or [] if one is not None)


def main() -> None:
    arguments = parsed()
    docs = None if arguments.models else arguments.docs / "attacks.md"
    if docs:
        pages.require(docs, [TABLE])
    torch.set_num_threads(1)
    memory.keep()  # as workers do
    started = time.monotonic()
    rows = []
    for name in arguments.models or subjects.ZOO:
        subject, cache = subjects.zoo(name, arguments.images), ModelCache()
        few = subjects.zoo(name, subject.suite.batch_size)
        row(few, attacks.FGSM, ModelCache())  # what is imported and chosen once
        for attack in attacks.STRONG:
            rows.append(row(subject, attack, cache))
            print(" | ".join(rows[-1]), flush=True)
    head = ("model", "attack", "forwards", "gradients", "ms", f"success at {EPS:g}, or distance")
    head += tuple(cell for library in OTHERS for cell in (library, "ms"))
    pages.shown(TABLE, pages.table(head, rows, left=2), docs)
    print(f"\n{time.monotonic() - started:.0f} s")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(subjects.ZOO)}; writes nothing")
    parser.add_argument("--images", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.models) - set(subjects.ZOO)):
        parser.error(f"{unknown[0]}: should be of {', '.join(subjects.ZOO)}")
    return arguments


if __name__ == "__main__":
    main()

"""How fast the attacks are: this package, as its suites run it, against torchattacks, adv-lib, foolbox and ART.

``python benchmarks/attack_speed.py`` prints the figures and writes the tables of docs/performance.md. All in one
process on one thread, in turns, by process CPU time. Peers that are not installed are left out;
``pip install --no-deps -r benchmarks/requirements.txt`` brings adv-lib, the package's [test] extra the others.

Ours are cases of the zoo's suite: channels_last, frozen, as many images as the suite has, in one active batch. Peers
attack the same images in batches of 100, on a contiguous model that is not frozen, and look whether they succeeded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.runtime import memory
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.measurement import Measurement

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for robustness_tests

import pages  # noqa: E402
from speed_parts import attacks, subjects  # noqa: E402
from speed_parts.contest import OTHERS, Contest, contest, means  # noqa: E402
from speed_parts.subjects import Subject  # noqa: E402

TABLES = ("means", "models", "others", "rows")
#: Every image takes every step: what it costs does not depend on how many there are.
STEADY = ("PGD-10, all steps", "FMN-20, Linf")
#: The ensemble of the zoo.
WORST = "worst"


def main() -> None:
    arguments = parsed()
    docs = None if arguments.models else arguments.docs / "performance.md"
    if docs:
        pages.require(docs, [f"attack_speed: {table}" for table in TABLES])
    torch.set_num_threads(1)
    memory.keep()  # as workers do, for all contestants: less to disturb them
    started = time.monotonic()
    contests, ensembles = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.models or (*subjects.ZOO, *subjects.LARGE):
            for one in compared(name, arguments, Path(folder)):
                contests.append(one)
                for peer in one.main:
                    print(" | ".join(one.row(peer)), flush=True)
                if name in subjects.ZOO:
                    print(" | ".join(one.others_row()), flush=True)
            if name in subjects.ZOO:
                ensembles.append(ensemble_row(subjects.zoo(name, arguments.images)))
    show(contests, ensembles, docs)
    print(f"\n{time.monotonic() - started:.0f} s")


def show(contests: list[Contest], ensembles: list[tuple[str, ...]], docs: Path | None) -> None:
    """Print the tables, and write them into the page."""
    zoo = [one for one in contests if one.subject.model == one.subject.name]
    head = ("attack", "over", "whole, first case of its model", "whole", "aimed at", "alone", "aimed at")
    pages.shown("attack_speed: means", pages.table(head, means(zoo), left=2), docs)
    whole = ("whole, first case of its model", "whole", "alone")
    head = ("model", "attack", "over", "ms an image", "over its passes", *whole, "fools, or distance", "theirs")
    table = pages.table(head, [one.row(peer) for one in contests for peer in one.main], left=3)
    pages.shown("attack_speed: models", table, docs)
    head = ("model", "attack", *(cell for name in OTHERS for cell in (f"over {name}", f"{name}'s")))
    pages.shown("attack_speed: others", pages.table(head, [one.others_row() for one in zoo], left=2), docs)
    rows = [*(rows_row(one.subject, one.attack.name, one.ours.measured) for one in zoo), *ensembles]
    head = ("model", "attack", "images", "forwards needed", "rows computed", "of them repeated", "computed over needed")
    pages.shown("attack_speed: rows", pages.table(head, rows, left=2), docs)


def compared(name: str, arguments: argparse.Namespace, folder: Path) -> Iterator[Contest]:
    """The contests of a model."""
    big = name in subjects.LARGE
    if big:
        weights = arguments.mobilenet_weights if name == "mobilenet_v2" else None
        subject = subjects.large(name, arguments.large_images, folder, weights)
    else:
        subject = subjects.zoo(name, arguments.images)
    warm_up(subject)
    for attack in attacks.FAST:
        if big and attack is attacks.FMN:
            continue
        steady = attack.name in STEADY and not big
        some = subjects.zoo(name, min(arguments.steady_images, arguments.images)) if steady else subject
        yield contest(some, attack, arguments.turns, arguments.patience, others=not big)


def warm_up(subject: Subject) -> None:
    """What is imported and chosen once, on a batch."""
    evaluate(subject.case(attacks.FGSM), stopwatch=Stopwatch(subject.suite.batch_size))
    few = Subject(subject.name, subject.suite, subject.model, min(subject.count, subject.suite.batch_size))
    contest(few, attacks.FGSM, 1, 0, others=subject.model in subjects.ZOO)


def ensemble_row(subject: Subject) -> tuple[str, ...]:
    """Of the zoo's ensemble, which is not compared with anybody's."""
    found = evaluate(subject.case_named(WORST), stopwatch=Stopwatch(subject.count))
    return rows_row(subject, f"the suite's ensemble, {WORST}", found)


def rows_row(subject: Subject, attack: str, found: Measurement) -> tuple[str, ...]:
    """Rows computed, those that were only repeated to fill a batch included, over rows that the images needed."""
    timing, needed = found.timing, sum(work or 0 for work in found.evidence.forwards or [])
    return (
        *(subject.name, attack, str(found.aggregates.images), str(needed), str(timing.rows), str(timing.padding)),
        f"{timing.rows / needed:.4f}",
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = (*subjects.ZOO, *subjects.LARGE)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(names)}; writes nothing")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000, help="of 32 x 32 (default: %(default)s, as the suite has)")
    parser.add_argument("--steady-images", type=int, default=300, help=f"of {' and '.join(STEADY)}")
    parser.add_argument("--large-images", type=int, default=2, help="of 224 x 224, one batch")
    parser.add_argument("--patience", type=float, default=1, help="CPU seconds of a turn that foolbox and ART may take")
    parser.add_argument("--mobilenet-weights", type=Path, help="torchvision's MobileNetV2; random without")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.models) - set(names)):
        parser.error(f"{unknown[0]}: should be of {', '.join(names)}")
    return arguments


if __name__ == "__main__":
    main()

"""How fast the attacks are: this package against torchattacks, adv-lib, foolbox and ART.

``python benchmarks/attack_speed.py`` prints the figures and writes the table of docs/performance.md. All in one
process on one thread, in turns, by process CPU time. Peers that are not installed are left out;
``pip install -r benchmarks/requirements.txt`` brings them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from pytest_robustness.evaluate.runtime import memory

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for robustness_tests

import pages  # noqa: E402
from speed_parts import contestants, subjects  # noqa: E402
from speed_parts.contestants import FLOOR, OURS, PLAIN, Attacked  # noqa: E402
from speed_parts.paired import Timed, alternating, ratio  # noqa: E402
from speed_parts.subjects import Subject  # noqa: E402

PEERS = (PLAIN, *contestants.PEERS)


@dataclass(frozen=True)
class Compared:
    subject: Subject
    attack: Attacked
    timed: dict[str, Timed]

    def row(self) -> tuple[str, ...]:
        mine = self.timed[OURS]
        return (
            self.subject.name,
            self.attack.name,
            f"{1000 * median(mine.seconds) / len(self.subject.labels):.1f}",
            f"{(mine.result.computed or 0) / self.attack.steps:.2f}",
            self._floors(),
            *(self._against(peer) for peer in PEERS),
            f"{mine.result.success:.1%}",
            *(f"{self.timed[peer].result.success:.1%}" if peer in self.timed else "-" for peer in PEERS),
        )

    def _floors(self) -> str:
        """CPU time over that of the forward and backward passes of as many images as were computed."""
        mine = self.timed[OURS]
        found = ratio(mine, self.timed[FLOOR])
        return f"{found.median / (mine.result.computed or 1):.2f}"

    def _against(self, peer: str) -> str:
        if peer not in self.timed:
            return "-"
        return str(ratio(self.timed[OURS], self.timed[peer]))


def compared(subject: Subject, arguments: argparse.Namespace) -> Iterator[Compared]:
    for attack in contestants.ATTACKS:
        every = contestants.contestants(subject, attack)
        yield Compared(subject, attack, alternating(every, arguments.pairs, arguments.patience, (OURS, FLOOR, PLAIN)))


def main() -> None:
    arguments = parsed()
    docs = None if arguments.models else arguments.docs / "performance.md"
    if docs:
        pages.require(docs, ["attack_speed"])
    torch.set_num_threads(1)
    memory.keep()  # as workers do, for all contestants: less to disturb them
    started = time.monotonic()
    rows = []
    for name in arguments.models or (*subjects.ZOO, *subjects.LARGE):
        if name in subjects.ZOO:
            subject = subjects.zoo(name, arguments.images)
        else:
            weights = arguments.mobilenet_weights if name == "mobilenet_v2" else None
            subject = subjects.large(name, arguments.large_images, weights)
        for one in compared(subject, arguments):
            rows.append(one.row())
            print(" | ".join(rows[-1]), flush=True)
    head = ("model", "attack", "ms an image", "computed", "over floor", *(f"over {peer}" for peer in PEERS))
    head += ("success", *(f"of {peer}" for peer in PEERS))
    table = pages.table(head, rows, left=2)
    pages.shown("attack_speed", table, docs)
    print(f"\n{time.monotonic() - started:.0f} s")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = (*subjects.ZOO, *subjects.LARGE)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(names)}; writes nothing")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--images", type=int, default=100, help="of 32 x 32, one batch, as suites have it")
    parser.add_argument("--large-images", type=int, default=2, help="of 224 x 224, one batch")
    parser.add_argument("--patience", type=float, default=3, help="CPU seconds after which a peer takes no more turns")
    parser.add_argument("--mobilenet-weights", type=Path, help="torchvision's MobileNetV2; random without")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.models) - set(names)):
        parser.error(f"{unknown[0]}: should be of {', '.join(names)}")
    return arguments


if __name__ == "__main__":
    main()

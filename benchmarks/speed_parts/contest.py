"""One attack on one model: this package's case against its peers, as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median

import torch
from torch.nn import functional

from speed_parts import libraries
from speed_parts.attacks import Compared
from speed_parts.libraries import ADV_LIB, TORCHATTACKS, Answer, Batch
from speed_parts.paired import Ours, Peer, Ratio, ratio, turn
from speed_parts.subjects import Subject

FORWARD, UNIT = "forward", "unit"
SAME_MODEL = ", same model"
#: What a case's figures are held against: a library as its user calls it; and on the model as a case has it.
MAIN = {"fgsm": TORCHATTACKS, "pgd": TORCHATTACKS, "cw": TORCHATTACKS, "fmn-inf": ADV_LIB}
OTHERS = tuple(name for name in libraries.LIBRARIES if name not in (TORCHATTACKS, "pyautoattack"))
#: Regular attacks of the zoo, but for the ensemble, whose clean answers, identity and row floor are found out once.
SHARING = 3
#: Images of a batch, of what takes a minute for a hundred.
SLOW = {("ART", "cw"): 5}
#: In a batch of so few images what is done once is most of a case.
MOST_FEW = 10
#: CPU seconds of a turn in which the passes themselves are timed.
FLOOR_PATIENCE = 0.5


@dataclass
class Contest:
    """What came of an attack on a model.

    Attributes:
        peers: by the library's name; ``SAME_MODEL`` stands for the model as a case has it.
        passes: a forward, and a forward with a backward.
    """

    subject: Subject
    attack: Compared
    ours: Ours
    peers: Mapping[str, Peer]
    passes: Mapping[str, Peer]

    @property
    def main(self) -> list[str]:
        """Those that the case's figures are held against."""
        name = MAIN[self.attack.call]
        return [one for one in (name, name + SAME_MODEL) if one in self.peers]

    @property
    def many(self) -> bool:
        """Whether there are images enough for what is done once to be small."""
        return self.subject.count >= self.subject.suite.batch_size > MOST_FEW

    def ratios(self, peer: str) -> tuple[Ratio, Ratio, Ratio]:
        """Whole as the first case of its model, whole as one of ``SHARING``, and the attack alone."""
        ours, theirs = self.ours, self.peers[peer].milliseconds
        return ratio(ours.whole, theirs), ratio(ours.shared(SHARING), theirs), ratio(ours.alone, theirs)

    def row(self, peer: str) -> tuple[str, ...]:
        theirs, found = self.peers[peer], self.ours.measured.aggregates
        success, distance = found.success_rate, found.distance
        if self.attack.call.startswith("fmn"):
            achieved = f"{distance or 0:.4f}", f"{theirs.median_distance:.4f}"
        else:
            achieved = f"{success or 0:.1%}", f"{theirs.success:.1%}"
        each = median(self.ours.alone)
        first, whole, alone = self.ratios(peer)
        return (
            *(self.subject.name, self.attack.name, peer, f"{each:.1f}", f"{self.over_passes:.2f}"),
            *([str(first), str(whole)] if self.many else ["-", "-"]),
            str(alone),
            *achieved,
        )

    def others_row(self) -> tuple[str, ...]:
        cells = []
        for name in OTHERS:
            peer = self.peers.get(name)
            if peer is None:
                cells += ["-", "-"]
            elif self.attack.call.startswith("fmn"):
                cells += [str(ratio(self.ours.alone, peer.milliseconds)), f"{peer.median_distance:.4f}"]
            else:
                cells += [str(ratio(self.ours.alone, peer.milliseconds)), f"{peer.success:.1%}"]
        return self.subject.name, self.attack.name, *cells

    @property
    def over_passes(self) -> float:
        """CPU time of the attack over that of as many forwards and backwards of full batches."""
        timing = self.ours.measured.timing
        images = self.ours.measured.aggregates.images
        forward, unit = (median(self.passes[name].milliseconds) for name in (FORWARD, UNIT))
        bound = timing.gradient_rows * unit + (timing.rows - timing.gradient_rows) * forward
        return median(self.ours.alone) * images / bound


#: Aimed at, as the mean over the zoo's models: whole, and alone.
TARGETS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("FGSM", TORCHATTACKS): ("1.50", ""),
    ("PGD-10, first success", TORCHATTACKS): ("0.50", "0.38"),
    ("C&W-50", TORCHATTACKS): ("0.60", "0.48"),
    ("FMN-20, Linf", ADV_LIB): ("", "0.85"),
    ("FMN-20, Linf", ADV_LIB + SAME_MODEL): ("", "1.05"),
}


def means(contests: list[Contest]) -> Iterator[tuple[str, ...]]:
    """Of each attack and library, the mean ratios over the models, and what was aimed at."""
    keys = dict.fromkeys((one.attack.name, peer) for one in contests for peer in one.main)
    for attack, peer in keys:
        ratios = [one.ratios(peer) for one in contests if one.attack.name == attack and peer in one.peers]
        first, whole, alone = (f"{fmean(each.median for each in kind):.2f}" for kind in zip(*ratios, strict=True))
        targets = TARGETS.get((attack, peer), ("", ""))
        yield attack, peer, first, whole, targets[0], alone, targets[1]


def contest(subject: Subject, attack: Compared, turns: int, patience: float, others: bool = True) -> Contest:
    """Several turns of a case and of its main peer; in the first also of every other that has the attack."""
    ours = Ours()
    with _peers(subject, attack, patience, others) as (peers, passes):
        for number in range(turns):
            now = [peer for name, peer in peers.items() if number == 0 or name.startswith(MAIN[attack.call])]
            turn(subject.case(attack), subject.count, ours, [*now, *passes.values()])
    for peer in (*peers.values(), *passes.values()):
        peer.batches = ()  # and with them the models: of VGG11 half a gigabyte each
    return Contest(subject, attack, ours, peers, passes)


@contextmanager
def _peers(
    subject: Subject, attack: Compared, patience: float, others: bool
) -> Iterator[tuple[dict[str, Peer], dict[str, Peer]]]:
    size = subject.suite.batch_size
    main = MAIN[attack.call]
    peers = {}
    with ExitStack() as stack:
        classifier = stack.enter_context(subject.classifier())
        for name in (main, *(OTHERS if others else ())):
            call = libraries.call_of(name, attack.call)
            if call is None or name in peers:
                continue
            small = SLOW.get((name, attack.call))
            batches = list(subject.batches(subject.plain, small or size, small))
            limit = float("inf") if name == main else patience
            peers[name] = Peer(partial(libraries.answer, call), batches, limit, attack.distance)
        call = libraries.call_of(main, attack.call)
        if call is not None and main == ADV_LIB:
            batches = list(subject.batches(classifier, size))
            same = Peer(partial(libraries.answer, call), batches, float("inf"), attack.distance)
            peers[main + SAME_MODEL] = same
        batches = list(subject.batches(classifier, size))
        passes = {name: Peer(_PASSES[name], batches, FLOOR_PATIENCE) for name in _PASSES}
        yield peers, passes


@torch.no_grad()
def _forward(batch: Batch) -> Answer:
    return Answer(batch.images, batch.model(batch.images).argmax(1) != batch.labels)


def _unit(batch: Batch) -> Answer:
    """A forward, and a backward to the input, parameters frozen."""
    inputs = batch.images.clone().requires_grad_()
    logits = batch.model(inputs)
    torch.autograd.grad(functional.cross_entropy(logits, batch.labels, reduction="sum"), inputs)
    return Answer(batch.images, logits.argmax(1) != batch.labels)


_PASSES = {FORWARD: _forward, UNIT: _unit}

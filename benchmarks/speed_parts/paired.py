"""Process CPU time of a case and of its peers in turns, so that all meet the same machine.

The machine's speed changes within a second. So after each round of a case, which is an attack on about a batch, each
peer attacks a batch, every other time in the opposite order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

import torch
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.rounds import Round
from pytest_robustness.evaluate.trial import Stopwatch
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.suite import Case
from torch import Tensor

from speed_parts.libraries import Answer, Batch

T = TypeVar("T")


class CountingCache(ModelCache):
    """Adds up what it costs to find out, once, what a model's cases share: digests, row floor and clean answers."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        started = time.process_time()
        try:
            return super().once(key, find)
        finally:
            self.seconds += time.process_time() - started


@dataclass
class Peer:
    """Another way to attack the same images, batch by batch.

    Attributes:
        attack: a batch; timed.
        batches: all that it is to attack in a turn.
        patience: CPU seconds of a turn after which it attacks no other batch.
        milliseconds: of each turn, an image.
        fooled, distance: of each image attacked, in the order of the images.
    """

    attack: Callable[[Batch], Answer]
    batches: Sequence[Batch]
    patience: float
    norm: str | None = None
    milliseconds: list[float] = field(default_factory=list)
    fooled: dict[int, Tensor] = field(default_factory=dict)
    distance: dict[int, Tensor] = field(default_factory=dict)
    _spent: float = 0.0
    _images: int = 0

    def step(self, number: int) -> None:
        """Attack a batch, if there is one and patience is left."""
        if number >= len(self.batches) or self._spent > self.patience:
            return
        batch = self.batches[number]
        started = time.process_time()
        answer = self.attack(batch)
        self._spent += time.process_time() - started
        self._images += len(batch.labels)
        self.fooled[number] = answer.fooled
        if self.norm:
            size = (answer.adversarial - batch.images).flatten(1).norm(float(self.norm), dim=1)
            self.distance[number] = size[answer.fooled]

    def end_turn(self) -> None:
        if self._images:
            self.milliseconds.append(1000 * self._spent / self._images)
        self._spent, self._images = 0.0, 0

    @property
    def success(self) -> float:
        """The share of images that were fooled."""
        return float(torch.cat(list(self.fooled.values())).double().mean())

    @property
    def median_distance(self) -> float:
        """Of images that were fooled, in the norm."""
        return float(torch.cat(list(self.distance.values())).median())


@dataclass
class Ours:
    """A case in several turns.

    Attributes:
        whole: milliseconds an image of ``evaluate``, of a case of a model that was not looked at before.
        once: the part of it that the next case of the model does not pay.
        alone: the part of it that its rounds took: the attack with its looks.
        found: what the last turn measured.
    """

    whole: list[float] = field(default_factory=list)
    once: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    found: Measurement | None = None

    def shared(self, cases: int) -> list[float]:
        """``whole``, of one of so many cases that share what is found out once."""
        return [whole - once * (1 - 1 / cases) for whole, once in zip(self.whole, self.once, strict=True)]

    @property
    def measured(self) -> Measurement:
        assert self.found is not None
        return self.found


def turn(case: Case, count: int, ours: Ours, peers: Iterable[Peer]) -> None:
    """Evaluate a case on its first ``count`` images, and let peers attack between its rounds."""
    between = _Between(list(peers))
    cache = CountingCache()
    started = time.process_time()
    found = evaluate(case, run_rounds=between, stopwatch=Stopwatch(count), model_cache=cache)
    spent = time.process_time() - started - between.seconds
    each = 1000 / found.aggregates.images
    ours.whole.append(spent * each)
    ours.once.append(cache.seconds * each)
    ours.alone.append(found.timing.attack_seconds * each)
    ours.found = found


class _Between:
    """Runs the rounds of a case in order; peers take their turns after each."""

    def __init__(self, peers: list[Peer]) -> None:
        self.peers = peers
        self.seconds = 0.0

    def __call__(self, rounds: Sequence[Round]) -> None:
        for number, one in enumerate(rounds):
            one.before()
            one()
            one.after()
            started = time.process_time()
            for peer in self.peers:
                peer.step(number)
            self.peers.reverse()
            self.seconds += time.process_time() - started
        for peer in self.peers:
            peer.end_turn()


@dataclass(frozen=True)
class Ratio:
    """Of CPU times, turn by turn."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        spread = f" [{self.least:.2f}, {self.most:.2f}]" if self.least < self.most else ""
        return f"{self.median:.2f}{spread}"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Of the turns that both took part in."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=False)]
    return Ratio(median(ratios), min(ratios), max(ratios))

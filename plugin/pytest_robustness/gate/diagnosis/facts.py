"""What a diagnosis is made of: facts about a regressed case, each read from evidence and verdicts at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from pytest_robustness.gate.metrics.distance import distance_logs
from pytest_robustness.gate.metrics.paired import attempted
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.gate.slices import Keys, slices_of
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.verdict import MetricVerdict, Status, Verdict
from pytest_robustness.suite.suite import Suite

#: How many images are named.
NAMED = 3
#: The largest chance, over all slices together, at which lost images are said to be concentrated in one of them.
CHANCE = 0.05


@dataclass(frozen=True)
class Concentration:
    """Holds a slice that has more of the lost images than chance explains.

    Attributes:
        name: of the slice, such as ``class cat``.
        lost, of_lost: how many of the lost images it has, and how many there are.
        images, of_images: how many of the images that could be lost it has, and how many there are.
        chance: that it has so many by chance, times the number of slices that were looked at, at most 1.
    """

    name: str
    lost: int
    of_lost: int
    images: int
    of_images: int
    chance: float


@dataclass(frozen=True)
class Facts:
    """Holds a regressed case, the other cases of its model, and what they say.

    Attributes:
        suite: whose slices and tolerances count.
        case: the id of the regressed case.
        pairs: the model's cases that could be paired, by id.
        verdicts: the verdicts of these cases. A case that is regressed only together with others has that status here.
        keys: where the lists of images come from.
    """

    suite: Suite
    case: str
    pairs: Mapping[str, Pair]
    verdicts: Mapping[str, Verdict]
    keys: Keys

    @property
    def pair(self) -> Pair:
        return self.pairs[self.case]

    @property
    def verdict(self) -> Verdict:
        return self.verdicts[self.case]

    @cached_property
    def compared(self) -> list[str]:
        """Return the attacks under which the model was compared with its baseline, in the suite's order."""
        return [CaseId(case).attack for case, one in self.verdicts.items() if one.metrics and case in self.pairs]

    @cached_property
    def regressed(self) -> list[str]:
        """Return those of them under which it regressed."""
        return [attack for attack in self.compared if self._of(attack).status == Status.REGRESSED]

    def _of(self, attack: str) -> Verdict:
        return self.verdicts[CaseId.of(CaseId(self.case).model, attack)]

    def one_step(self, attack: str) -> bool:
        """Return whether an attack evaluates a single gradient an image."""
        return self.pairs[CaseId.of(CaseId(self.case).model, attack)].current.budget == 1

    @cached_property
    def worse(self) -> set[str]:
        """Return the metrics of the case that fail it for the worse."""
        return {one.metric for one in self.verdict.metrics if one.worse and one.outcome == "regressed"}

    @cached_property
    def clean(self) -> MetricVerdict | None:
        """Return the verdict on the model's clean accuracy. Returns None when it was not compared."""
        found = (one.metric("clean accuracy") for one in self.verdicts.values())
        return next((one for one in found if one is not None and one.before is not None), None)

    @cached_property
    def distances(self) -> dict[str, MetricVerdict]:
        """Return the verdicts on the model's distances, by the attack that measures them."""
        found = {CaseId(case).attack: one.metric("distance") for case, one in self.verdicts.items()}
        return {attack: one for attack, one in found.items() if one is not None and one.before is not None}

    def medians(self, attack: str) -> tuple[float, float, int]:
        """Return an attack's median distance before and after, and over how many images: those found in both runs."""
        paired = self.pairs[CaseId.of(CaseId(self.case).model, attack)]
        sides = paired.baseline.evidence.distance or (), paired.current.evidence.distance or ()
        both = [(a, b) for a, b in zip(*sides, strict=True) if a is not None and b is not None]
        return median(a for a, _ in both), median(b for _, b in both), len(both)

    @cached_property
    def nearer(self) -> list[str]:
        """Return the attacks whose distances are significantly shorter than the baseline's."""
        return [attack for attack, one in self.distances.items() if one.outcome == "regressed"]

    @cached_property
    def logs(self) -> dict[int, float]:
        """Return the logarithm of each image's ratio of distances, now / before, by its place among the compared."""
        return distance_logs(self.pair.baseline, self.pair.current)

    @cached_property
    def at_risk(self) -> list[int]:
        """Return the compared images that could be lost, by place.

        They withstood the attack in the baseline and are attempts now. Under an attack without a success rate, they are
        the images that have a distance in both runs.
        """
        if not self.pair.current.has_success_rate:
            return list(self.logs)
        before = self.pair.baseline.evidence.success
        return [i for i in attempted(self.pair.baseline, self.pair.current) if not before[i]]

    @cached_property
    def lost(self) -> list[int]:
        """Return the images that are lost, by place.

        They are fooled now. Under an attack without a success rate, they came nearer than the tolerance allows.
        """
        if not self.pair.current.has_success_rate:
            least = math.log1p(-min(self.suite.tolerances.distance, 0.999))
            return [i for i in self.at_risk if self.logs[i] < least]
        return [i for i in self.at_risk if self.pair.current.evidence.success[i]]

    @cached_property
    def won(self) -> int:
        """Return how many images were fooled in the baseline and withstand now. They are attempts in both runs."""
        baseline, current = self.pair.baseline, self.pair.current
        before, after = baseline.evidence.success, current.evidence.success
        return sum(before[i] and not after[i] for i in attempted(baseline, current))

    @cached_property
    def wrong_now(self) -> int:
        """Return how many of the attacked images were classified correctly in the baseline and are not now."""
        sides = self.pair.baseline.evidence.correct, self.pair.current.evidence.correct
        return sum(a > b for a, b in zip(*sides, strict=True))

    @cached_property
    def soonest(self) -> list[int]:
        """Return the lost images to name: whose distance fell most, then those fooled soonest, then by place."""
        effort = self.pair.current.evidence.effort

        def rank(i: int) -> tuple[float, int, int]:
            return self.logs.get(i, 0.0), (effort[i] or 0) if effort else 0, i

        return sorted(self.lost, key=rank)[:NAMED]

    @cached_property
    def sliced(self) -> bool:
        """Return whether the images are known by slices at all."""
        return bool(self._slices)

    @cached_property
    def _slices(self) -> list[tuple[str, list[int]]]:
        return list(slices_of(self.suite, self.pair, self.keys))

    @cached_property
    def concentration(self) -> Concentration | None:
        """Return the slice that has more of the lost images than chance explains, the clearest of several, or None.

        Chance would draw the lost images from those at risk without looking at slices (hypergeometric distribution).
        """
        if not self.lost:
            return None
        found = list(self._concentrations())
        best = min(found, key=lambda one: (one.chance, one.name), default=None)
        return best if best is not None and best.chance <= CHANCE else None

    def _concentrations(self) -> Iterator[Concentration]:
        risk, lost = set(self.at_risk), set(self.lost)
        for name, members in self._slices:
            images, mine = len(risk.intersection(members)), len(lost.intersection(members))
            chance = tail(mine, images, len(lost), len(risk)) * len(self._slices)
            yield Concentration(name, mine, len(lost), images, len(risk), min(1.0, chance))


def tail(found: int, special: int, drawn: int, images: int) -> float:
    """Return the chance that at least ``found`` of ``drawn`` images are special, of which there are ``special``.

    They are drawn without replacement from ``images`` (upper tail of the hypergeometric distribution).
    """
    most = min(special, drawn)
    least = max(found, drawn - (images - special))
    return min(1.0, math.fsum(_probability(k, special, drawn, images) for k in range(least, most + 1)))


def _probability(k: int, special: int, drawn: int, images: int) -> float:
    logs = _choose(special, k) + _choose(images - special, drawn - k) - _choose(images, drawn)
    return math.exp(logs)


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def named(places: Sequence[int], facts: Facts) -> str:
    """Return images as a person may find them: their places in the set, and their classes where they are known."""
    known = facts.keys.list_of(facts.pair.images)

    def name(i: int) -> str:
        place = facts.pair.places[i]
        return f"{place}" + (f" ({facts.suite.class_name(known.labels[place])})" if known else "")

    return ", ".join(map(name, places))

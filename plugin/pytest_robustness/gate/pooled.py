"""Pools several cases: a change too small to count in each of them may be beyond doubt in all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_robustness.gate.metrics import Rules, pooled, success_differences
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.records.verdict import MetricVerdict


def judge_pooled(pairs: Sequence[Pair], rules: Rules) -> MetricVerdict | None:
    """Judge the average success rate of several cases over one image set.

    Each case counts with the images that its baseline has, too. The image is the unit: the differences of an image are
    summed over the cases, because attacks and models fail on the same images. Returns None when a pair is not
    comparable, or no image is an attempt in both runs of any pair.
    """
    if any(one.problem(accept_removed=rules.accept_removed_images) for one in pairs):
        return None
    return pool(pairs, rules)


def discordant(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that have a success rate, without those in which no image changed, if one did in another pair.

    An attack that always succeeds says nothing about a change, and would only dilute what the others say. Whether an
    image changed does not depend on which of the two runs comes first, so this does not choose cases by their outcome.
    """
    rated = _rated(pairs)
    changed = [one for one in rated if any(success_differences(one.baseline, one.current).values())]
    return changed or rated


def _rated(pairs: Sequence[Pair]) -> list[Pair]:
    return [one for one in pairs if one.baseline.has_success_rate and one.current.has_success_rate]


def pool(pairs: Sequence[Pair], rules: Rules, *, every: bool = False) -> MetricVerdict | None:
    """Judge the average success rate of pairs that are known to be comparable.

    The models may want their images prepared in different ways. With ``every``, cases in which no image changed count,
    too. Then averages of several comparisons are of the same cases, and can be compared. Cases that have no success
    rate are left out.

    Returns None also when the pairs are of different image sets, because a place identifies an image only within one
    set.
    """
    rated = _rated(pairs) if every else discordant(pairs)
    if len({one.images.digest for one in rated}) > 1:
        return None
    sums: dict[int, int] = {}
    count = 0
    for one in rated:
        differences = success_differences(one.baseline, one.current)
        count += len(differences)
        for index, difference in differences.items():
            image = one.places[index]
            sums[image] = sums.get(image, 0) + difference
    if not count:
        return None
    return pooled("success rate", list(sums.values()), len(rated), count, rules.tolerances.success_rate, rules)

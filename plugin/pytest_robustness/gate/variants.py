"""Models of one run compared with one another: what batch norm, depth or another architecture changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.gate.metrics import Rules, compare
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.gate.pooled import pool
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.references import Variant
from pytest_robustness.suite.suite import Suite


@dataclass(frozen=True)
class Contrast:
    """Holds one line of the comparison. Nothing is judged by it: metrics have changes, intervals and p values.

    ``attack`` is ``mean`` for an average over attacks. ``group`` is the variants' own, and the line of a group is named
    by it.
    """

    models: str
    attack: str
    metrics: Mapping[str, MetricVerdict]
    group: str = ""


def contrasts(suite: Suite, measurements: Mapping[str, Measurement]) -> Iterator[Contrast]:
    """Yield contrasts of each variant whose cases are all in ``measurements``: per attack, averaged, then of groups.

    All measurements of a variant must be over one image set, as the cases of one run are. Other variants are left out.
    """
    complete = [variant for variant in suite.variants if _is_complete(_cases(suite, variant), measurements)]
    for variant in complete:
        name = f"{variant.base} -> {variant.update}"
        pairs = _pairs(suite, variant, measurements)
        for attack, one in pairs.items():
            metrics = compare(one.baseline, one.current, Rules.of(suite.case(one.current.case)))
            yield Contrast(name, attack, {metric.metric: metric for metric in metrics}, variant.group)
        yield from _averaged(suite, name, list(pairs.values()), variant.group)
    for group in dict.fromkeys(variant.group for variant in complete if variant.group):
        members = [variant for variant in complete if variant.group == group]
        if len(members) > 1:
            pooled = [pair for variant in members for pair in _pairs(suite, variant, measurements).values()]
            yield from _averaged(suite, f"{group} ({len(members)})", pooled, group)


def _averaged(suite: Suite, name: str, pairs: Sequence[Pair], group: str) -> Iterator[Contrast]:
    verdict = pool(pairs, Rules.pooled(suite), every=True)
    if verdict is not None:
        yield Contrast(name, "mean", {verdict.metric: verdict}, group)


def _is_complete(cases: set[str], measurements: Mapping[str, Measurement]) -> bool:
    there = [measurements[case] for case in cases if case in measurements]
    return len(there) == len(cases) and len({(one.images, one.unselected) for one in there}) <= 1


def _cases(suite: Suite, variant: Variant) -> set[str]:
    return {CaseId.of(model, attack) for model in variant.models for attack in suite.regular_attacks}


def _pairs(suite: Suite, variant: Variant, measurements: Mapping[str, Measurement]) -> dict[str, Pair]:
    return {
        attack: Pair.of_same_images(
            measurements[CaseId.of(variant.base, attack)], measurements[CaseId.of(variant.update, attack)]
        )
        for attack in suite.regular_attacks
    }

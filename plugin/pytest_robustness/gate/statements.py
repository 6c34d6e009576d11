"""Statements about a model in a full run, each with its share of alpha and a number per image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.gate.metrics import (
    DIFFERENCES,
    METRICS,
    Rules,
    compare,
    compare_clean_accuracy,
    robust,
    success_differences,
)
from pytest_robustness.gate.metrics.paired import rate
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.gate.pooled import discordant, pool
from pytest_robustness.gate.slices import Keys, slices_of
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.suite import Suite

#: The metrics that a slice is judged by.
OF_SLICES = ("success rate", "robust accuracy", "distance")


@dataclass(frozen=True)
class Statement:
    """Holds one hypothesis about a model, and what its own test says about it.

    Attributes:
        name: what it is about.
        weight: its share of alpha.
        differences: by the image's key, positive where the image got worse.
        verdict: the verdict with the p value of its own test.
        kind: ``case`` for one that the case has judged alone, else ``pooled``, ``worst``, ``clean`` or ``slice``.
    """

    name: str
    weight: float
    differences: Mapping[str, int]
    verdict: MetricVerdict
    kind: str


def statements(suite: Suite, model: str, pairs: Sequence[Pair], lists: Lists) -> list[Statement]:
    """Return all statements about a model whose regular cases are ``pairs``, which can be compared.

    The weights are those of ``suite.levels``. Statements that a case has judged by itself come first.
    """
    rules = Rules.pooled(suite)
    keys = Keys(lists)
    found = [*_of_cases(suite, pairs, keys), *_together(suite, model, pairs, keys, rules)]
    return [*found, *_clean(suite, model, pairs, keys, rules), *_slices(suite, pairs, keys, rules)]


def _of_cases(suite: Suite, pairs: Sequence[Pair], keys: Keys) -> Iterator[Statement]:
    for one in pairs:
        case = suite.case(one.current.case)
        for verdict in compare(one.baseline, one.current, Rules.of(case)):
            if verdict.p_value is not None and verdict.metric in DIFFERENCES:
                differences = DIFFERENCES[verdict.metric](one.baseline, one.current)
                named = f"{one.current.case}: {verdict.metric}"
                yield Statement(
                    named, case.weight, _by_key(differences, one.places, keys.keys(one.images)), verdict, "case"
                )


def _together(suite: Suite, model: str, pairs: Sequence[Pair], keys: Keys, rules: Rules) -> Iterator[Statement]:
    """Yield the statements on success pooled over the cases, and on the worst of all attacks in a ball."""
    rated = discordant(pairs)
    verdict = pool(pairs, rules)
    weight = suite.levels.together / 2
    if verdict is not None:
        sums: dict[str, int] = {}
        for one in rated:
            _add(sums, _by_key(success_differences(one.baseline, one.current), one.places, keys.keys(one.images)))
        number = len([one for one in pairs if one.current.has_success_rate])
        name = f"{model} under {number} attack{'' if number == 1 else 's'}"
        yield Statement(name, weight, sums, verdict, "pooled")
    balls = [one for one in pairs if "eps" in one.current.protocol.parameters and one.current.has_success_rate]
    if len(balls) > 1 and len({(one.images.digest, tuple(one.places)) for one in balls}) == 1:
        baseline, current = ([min(each) for each in zip(*map(robust, side), strict=True)] for side in _sides(balls))
        worst = rate(
            "robust accuracy",
            list(zip(baseline, current, strict=True)),
            rules.tolerances.robust_accuracy,
            rules,
            higher_is_worse=False,
        )
        differences = {i: a - b for i, (a, b) in enumerate(zip(baseline, current, strict=True))}
        first = balls[0]
        name = f"{model} under any of {len(balls)}"
        yield Statement(name, weight, _by_key(differences, first.places, keys.keys(first.images)), worst, "worst")


def _clean(suite: Suite, model: str, pairs: Sequence[Pair], keys: Keys, rules: Rules) -> Iterator[Statement]:
    """Yield the statement on clean accuracy, measured on the unselected images.

    Without unselected images, the attacked ones are used if the baseline's model is wrong about some. Images that were
    chosen because the baseline's model is right about them say nothing: on them any other model looks worse.
    """
    first = pairs[0]
    values = list(zip(first.baseline.evidence.correct, first.current.evidence.correct, strict=True))
    if first.unselected is None and not all(before for before, _ in values):
        verdict = rate("clean accuracy", values, rules.tolerances.clean_accuracy, rules, higher_is_worse=False)
        differences = {i: a - b for i, (a, b) in enumerate(values)}
        by_key = _by_key(differences, first.places, keys.keys(first.images))
        yield Statement(f"{model}, clean", suite.levels.clean, by_key, verdict, "clean")
        return
    for one in pairs:
        for verdict in compare_clean_accuracy(one.baseline, one.current, rules):
            before, after = (
                one.baseline.evidence.unselected_correct or (),
                one.current.evidence.unselected_correct or (),
            )
            differences = {i: a - b for i, (a, b) in enumerate(zip(before, after, strict=True))}
            images = one.unselected
            known = keys.keys(images) if images is not None else ()
            yield Statement(
                f"{model}, clean",
                suite.levels.clean,
                _by_key(differences, one.unselected_places, known),
                verdict,
                "clean",
            )
            return


def _slices(suite: Suite, pairs: Sequence[Pair], keys: Keys, rules: Rules) -> Iterator[Statement]:
    """Yield statements on the ``OF_SLICES`` metrics of each slice with enough images, under each attack."""
    found: list[tuple[str, dict[str, int], MetricVerdict]] = []
    for one in pairs:
        for called, index in slices_of(suite, one, keys):
            baseline, current = one.baseline.at(index), one.current.at(index)
            places = [one.places[i] for i in index]
            where = f"{called} under {CaseId(one.current.case).attack}"
            for name in OF_SLICES:
                for verdict in METRICS[name](baseline, current, rules):
                    if verdict.p_value is not None:
                        by_key = _by_key(DIFFERENCES[name](baseline, current), places, keys.keys(one.images))
                        found.append((f"{CaseId(one.current.case).model}, {where}: {name}", by_key, verdict))
    for name, differences, verdict in found:
        yield Statement(name, suite.levels.slices / len(found), differences, verdict, "slice")


def _sides(pairs: Iterable[Pair]) -> tuple[list[Measurement], list[Measurement]]:
    return [one.baseline for one in pairs], [one.current for one in pairs]


def _by_key(differences: Mapping[int, int], places: Sequence[int], keys: Sequence[str]) -> dict[str, int]:
    """Return differences by the image's key. An image that is there twice has the sum."""
    sums: dict[str, int] = {}
    for place, difference in differences.items():
        if difference:
            key = keys[places[place]]
            sums[key] = sums.get(key, 0) + difference
    return sums


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    """Add differences to others, image by image."""
    for key, difference in more.items():
        sums[key] = sums.get(key, 0) + difference

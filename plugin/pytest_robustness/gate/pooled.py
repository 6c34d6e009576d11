"""What several cases say together: a change too small for each of them may be beyond doubt in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_robustness.gate.metrics import Rules, pooled, success_differences
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.suite import Suite


def judge_pooled(pairs: Sequence[Pair], rules: Rules) -> MetricVerdict | None:
    """Success rates of several cases over one image set, averaged; of each the images that its baseline has, too.

    The image is the unit: the differences of an image are summed over the cases, because attacks and models fail on
    the same images. Returns None when a pair is not comparable, or no image is an attempt in both of any pair.
    """
    if any(one.problem(accept_removed=rules.accept_removed_images) for one in pairs):
        return None
    return pool(pairs, rules)


def pool(pairs: Sequence[Pair], rules: Rules) -> MetricVerdict | None:
    """The same of pairs that are known to be comparable, however each model wants its images prepared.

    Cases that have no success rate are left out. Returns None also for pairs of different runs: only in one set does
    a place tell which image it is.
    """
    rated = [one for one in pairs if one.then.has_success_rate and one.now.has_success_rate]
    if len({one.images.digest for one in rated}) > 1:
        return None
    sums: dict[int, int] = {}
    count = 0
    for one in rated:
        differences = success_differences(one.then, one.now)
        count += len(differences)
        for index, difference in differences.items():
            image = one.places[index]
            sums[image] = sums.get(image, 0) + difference
    if not count:
        return None
    return pooled("success rate", list(sums.values()), len(rated), count, rules.tolerances.success_rate, rules)


def judge_models(
    suite: Suite, pairs: Mapping[str, Pair], *, accept_removed_images: bool = False
) -> dict[str, MetricVerdict]:
    """The pooled verdict of each model and each group whose cases are all in ``pairs``, by case.

    All: a verdict that depended on which cases were selected would be worth little.
    """
    rules = replace(Rules.pooled(suite), accept_removed_images=accept_removed_images)
    attacks = suite.regular_attacks
    sets = {model: [model] for model in suite.models}
    sets |= {f"{group}, {len(models)} models": models for group, models in suite.groups.items()}
    verdicts = {}
    for name, models in sets.items():
        cases = [CaseId.of(model, attack) for model in models for attack in attacks]
        if cases and pairs.keys() >= set(cases):
            verdict = judge_pooled([pairs[case] for case in cases], rules)
            if verdict is not None:
                rated = {CaseId(case).attack for case in cases if pairs[case].now.has_success_rate}
                verdicts[f"{name} under {len(rated)} attack{'' if len(rated) == 1 else 's'}"] = verdict
    return verdicts

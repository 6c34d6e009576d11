"""What several cases say together: a change too small for each of them may be beyond doubt in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_robustness.gate.metrics import Rules, pooled, success_differences
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.suite import Suite

Pair = tuple[Measurement, Measurement]


def judge_pooled(pairs: Sequence[Pair], rules: Rules) -> MetricVerdict | None:
    """Success rates of several cases on one image set, (then, now) for each, averaged.

    The image is the unit: the differences of an image are summed over the cases, because attacks and models fail on
    the same images. Returns None when a pair is not comparable, or no image is an attempt in both of any pair.
    """
    if any(then.protocol.first_difference(now.protocol) for then, now in pairs):
        return None
    return pool(pairs, rules)


def pool(pairs: Sequence[Pair], rules: Rules) -> MetricVerdict | None:
    """The same of pairs that are known to be of the same images, however each model wants them prepared."""
    sums: dict[int, int] = {}
    count = 0
    for then, now in pairs:
        differences = success_differences(then, now)
        count += len(differences)
        for image, difference in differences.items():
            sums[image] = sums.get(image, 0) + difference
    if not count:
        return None
    return pooled("success rate", list(sums.values()), len(pairs), count, rules.tolerances.success_rate, rules)


def judge_models(suite: Suite, pairs: Mapping[str, Pair]) -> dict[str, MetricVerdict]:
    """The pooled verdict of each model and each group whose cases are all in ``pairs``, (then, now) by case.

    All: a verdict that depended on which cases were selected would be worth little.
    """
    attacks = suite.regular_attacks
    sets = {f"{model} under {len(attacks)} attacks": [model] for model in suite.models}
    sets |= {
        f"{group}, {len(models)} models under {len(attacks)} attacks": models for group, models in suite.groups.items()
    }
    verdicts = {}
    for name, models in sets.items():
        cases = [CaseId.of(model, attack) for model in models for attack in attacks]
        if cases and pairs.keys() >= set(cases):
            verdict = judge_pooled([pairs[case] for case in cases], Rules.pooled(suite))
            if verdict is not None:
                verdicts[name] = verdict
    return verdicts

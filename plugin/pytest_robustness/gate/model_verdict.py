"""The joint verdict on a model: everything that its regular cases say together, at one alpha.

Each statement is judged by its rank among all statements of the model (``joint_level``). What a case has decided by
itself is never contradicted: a full run can only add failures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_robustness.gate.joint_level import Directions, Hypothesis, joint_p_values
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.gate.pooled import judge_pooled
from pytest_robustness.gate.statements import Statement, statements
from pytest_robustness.gate.suspicion import doubted
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.suite.suite import Suite

#: The parts of a text that are about a test by itself: its p value, and how many images would settle it.
P_VALUE = re.compile(r"\bp = [-+.0-9e]+")
SETTLED = re.compile(r", about \d+ images would settle it")


def judge_models(
    suite: Suite, pairs: Mapping[str, Pair], lists: Lists, *, accept_removed_images: bool = False
) -> dict[str, MetricVerdict]:
    """Judge each model and each group whose regular cases are all in ``pairs``.

    Returns the verdicts by what they are of, in words. ``pairs`` are by case. All cases are needed, because a verdict
    that depended on which cases were selected would be worth little. A model or group has no verdict when one of its
    cases cannot be compared.
    """
    found: dict[str, MetricVerdict] = {}
    for model in suite.models:
        own = _comparable(suite, [model], pairs, accept_removed_images=accept_removed_images)
        if own:
            found |= _of_model(suite, model, own, lists)
    for group, models in suite.groups.items():
        members = _comparable(suite, models, pairs, accept_removed_images=accept_removed_images)
        rules = replace(Rules.of_group(suite), accept_removed_images=accept_removed_images)
        verdict = judge_pooled(members, rules) if members else None
        if verdict is not None:
            rated = {CaseId(one.current.case).attack for one in members if one.current.has_success_rate}
            attacks = f"{len(rated)} attack{'' if len(rated) == 1 else 's'}"
            found[f"{group}, {len(models)} models under {attacks}"] = _believed(members, verdict, rules)
    return found


def _comparable(
    suite: Suite, models: Sequence[str], pairs: Mapping[str, Pair], *, accept_removed_images: bool
) -> list[Pair]:
    """Return the pairs of all regular cases of some models.

    The list is empty when a case is missing or cannot be compared.
    """
    cases = [CaseId.of(model, attack) for model in models for attack in suite.regular_attacks]
    there = [pairs[case] for case in cases if case in pairs]
    sound = [one for one in there if one.problem(accept_removed=accept_removed_images) is None]
    return sound if len(sound) == len(cases) else []


def _of_model(suite: Suite, model: str, pairs: Sequence[Pair], lists: Lists) -> dict[str, MetricVerdict]:
    """Return a model's verdicts by what they are of.

    They are on what is pooled, the worst case, clean accuracy and slices, and on what cases could not be sure of alone.
    """
    made = statements(suite, model, pairs, lists)
    rules = replace(Rules.pooled(suite), level=suite.alpha_of(model))
    found = joint_p_values([Hypothesis(one.name, one.weight, one.differences) for one in made])
    judged = {one.name: (one, _believed(pairs, _decided(one, found[one.name], rules), rules)) for one in made}
    return dict(_shown(judged, found))


def _decided(one: Statement, p_values: Directions, rules: Rules) -> MetricVerdict:
    """Return a statement's verdict by its rank among all statements of the model."""
    verdict = one.verdict
    if not verdict.moved:
        return verdict
    family = (p_values.worse if verdict.worse else p_values.better).family
    beyond = 1.0 if verdict.worse else -1.0  # beyond its tolerance, because it moved
    outcome = rules.outcome(beyond, 0.0, family)
    own = verdict.text if outcome == "inconclusive" else SETTLED.sub("", verdict.text)
    text = P_VALUE.sub(f"joint p = {family:.2g}", own)
    return verdict.model_copy(
        update={"outcome": outcome, "fails": rules.fails(outcome, beyond), "text": text, "family_p_value": family}
    )


def _believed(pairs: Sequence[Pair], verdict: MetricVerdict, rules: Rules) -> MetricVerdict:
    """Return the verdict, doubted when the model of any pair fails a masking check. The graver of two doubts counts."""
    found = [doubted(one.baseline, one.current, [verdict], rules)[0] for one in pairs]
    suspicious = [one for one in found if one.outcome == "suspicious"]
    return next(iter(suspicious or [one for one in found if one != verdict]), verdict)


def _shown(
    judged: Mapping[str, tuple[Statement, MetricVerdict]], found: Mapping[str, Directions]
) -> Iterator[tuple[str, MetricVerdict]]:
    """Yield the verdicts that are shown, by name.

    Of the cases' own verdicts these are only those that a case could not be sure of alone. Of slices it is only the
    worst.
    """
    for name, (one, verdict) in judged.items():
        late = verdict.outcome == "regressed" and one.verdict.outcome != "regressed"
        if one.kind != "slice" and (one.kind != "case" or late):
            yield name, verdict
    slices = [name for name, (one, verdict) in judged.items() if one.kind == "slice" and verdict.worse]
    changed = [name for name in slices if any(judged[name][0].differences.values())]
    if changed:
        gravity = {"regressed": 0, "inconclusive": 1}  # a change within its tolerance hides no other, however sure
        worst = min(changed, key=lambda name: (gravity.get(judged[name][1].outcome, 2), found[name].worse.own))
        verdict = judged[worst][1]
        more = sum(judged[name][1].outcome == "regressed" for name in changed if name != worst)
        text = f"{verdict.text}; {more} more slice{'' if more == 1 else 's'} regressed" if more else verdict.text
        yield worst, verdict.model_copy(update={"text": text})

"""Diagnoses: for each regressed case the pattern of its evidence, the facts, and what usually looks like that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean

from pytest_robustness.gate.diagnosis.facts import Facts, named
from pytest_robustness.gate.diagnosis.rules import RULES
from pytest_robustness.gate.metrics.paired import percent, points
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.gate.slices import Keys
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.verdict import MetricVerdict, Status, Verdict
from pytest_robustness.suite.suite import Suite

#: Statuses of a case that is diagnosed.
DIAGNOSED = (Status.REGRESSED, Status.DRIFTED)
NOT_THERE = "The evidence has no confidences, margins or sizes of gradients."


def diagnose(
    suite: Suite,
    pairs: Mapping[str, Pair],
    verdicts: Mapping[str, Verdict],
    together: Mapping[str, MetricVerdict],
    lists: Lists,
) -> list[Diagnosis]:
    """Return a diagnosis of each regressed case, in the order of the pairs.

    Args:
        suite: the suite whose slices count.
        pairs: the measurements with their baselines, by case.
        verdicts: the cases' own verdicts.
        together: the verdicts on several cases; of them, those on a single case count.
        lists: where the lists of images come from.
    """
    keys = Keys(lists)
    known = {case: _together(case, one, together) for case, one in verdicts.items() if case in pairs}
    models: dict[str, dict[str, Verdict]] = {}
    for case, one in known.items():
        models.setdefault(CaseId(case).model, {})[case] = one
    found = []
    for case, verdict in known.items():
        if verdict.status in DIAGNOSED:
            mine = models[CaseId(case).model]
            found.append(_diagnosis(Facts(suite, case, {other: pairs[other] for other in mine}, mine, keys)))
    return found


def _together(case: str, verdict: Verdict, together: Mapping[str, MetricVerdict]) -> Verdict:
    """Return a case's verdict, as regressed when it could not be sure of that alone and is, together with others.

    A case whose model is the same by its digests stays drifted.
    """
    named = [together.get(f"{case}: {one.metric}") for one in verdict.metrics]
    late = [one for one in named if one is not None and one.outcome == "regressed"]
    if not late:
        return verdict
    kept = [next((new for new in late if new.metric == one.metric), one) for one in verdict.metrics]
    status = verdict.status if verdict.status == Status.DRIFTED else Status.REGRESSED
    return verdict.model_copy(update={"status": status, "metrics": kept})


def _diagnosis(facts: Facts) -> Diagnosis:
    rule = next(rule for rule in RULES if rule.fits(facts))
    return Diagnosis(
        case=facts.case,
        rule=rule.name,
        pattern=rule.pattern,
        of_model=[*_attacks(facts), *_clean(facts), *_boundary(facts), NOT_THERE],
        facts=[*_images(facts), *_gradients(facts)],
        causes=list(rule.causes),
    )


def _attacks(facts: Facts) -> Iterator[str]:
    worse, compared = facts.regressed, facts.compared
    others = [attack for attack in compared if attack not in worse]
    if not worse:
        return
    if len(compared) == 1:
        yield f"{compared[0]} is the only attack that was compared."
    elif not others:
        yield f"Regressed under all {len(compared)} attacks that were compared: {', '.join(worse)}."
    else:
        yield f"Regressed under {len(worse)} of {len(compared)} attacks: {', '.join(worse)}; not {', '.join(others)}."


def _clean(facts: Facts) -> Iterator[str]:
    one = facts.clean
    if one is None or one.before is None or one.after is None:
        yield "Clean accuracy was not compared."
    elif one.before == one.after:
        yield f"Clean accuracy is {one.after:.1%} as before."
    else:
        change = points(one.after - one.before, one.interval)
        yield f"Clean accuracy {one.before:.1%} -> {one.after:.1%} ({change}): {one.outcome}."
    if facts.wrong_now:
        yield f"Of the attacked images, {facts.wrong_now} were classified correctly before and are not now."


def _images(facts: Facts) -> Iterator[str]:
    if not facts.lost:
        yield "No single image is lost." if facts.at_risk else "No image was left that could be lost."
        return
    what = "lost" if facts.pair.current.has_success_rate else "nearer by more than the tolerance"
    won = f", {facts.won} were won" if facts.won else ""
    first = f"first at places {named(facts.soonest, facts)} of the set"
    yield f"{len(facts.lost)} of {len(facts.at_risk)} images that could be are {what}{won}; {first}."
    one = facts.concentration
    if one is not None:
        share = f"which has {one.images} of the {one.of_images} that could be (chance, of any slice: {one.chance:.2g})"
        yield f"{one.lost} of {one.of_lost} of them are of {one.name}, {share}."
    elif facts.sliced:
        yield "No slice has more of them than chance explains."
    else:
        yield "No slice of the images has enough of them, or their list is not known."


def _boundary(facts: Facts) -> Iterator[str]:
    """Yield how far away the boundary is, and how far it was, under each attack of the model that measures it."""
    words = {"regressed": "nearer", "improved": "farther", "same": "within its tolerance"}
    for attack, one in facts.distances.items():
        before, after, images = facts.medians(attack)
        moved = percent(one.change or 0.0, one.interval)
        said = words.get(one.outcome, one.outcome)
        yield f"Distance under {attack} {moved} on {images} images, median {before:.3g} -> {after:.3g}: {said}."
    if not facts.distances:
        yield "No attack of this model measures distances, so whether its boundary came nearer is not known."


def _gradients(facts: Facts) -> Iterator[str]:
    """Yield how soon images are fooled that are fooled in both runs."""
    baseline, current = facts.pair.baseline.evidence, facts.pair.current.evidence
    if baseline.effort is not None and current.effort is not None and not facts.one_step(CaseId(facts.case).attack):
        sides = zip(baseline.success, current.success, baseline.effort, current.effort, strict=True)
        both = [(a, b) for one, other, a, b in sides if one and other and a is not None and b is not None]
        if both:
            before, after = (fmean(values) for values in zip(*both, strict=True))
            yield f"Gradient evaluations until fooled {before:.2f} -> {after:.2f} on {len(both)} images fooled in both."

"""Builds a run's report from what the run found."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import fmean

from pytest_robustness.gate.metrics import extra_values, time_reach
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.gate.slices import Keys
from pytest_robustness.gate.statistics import mean_interval, median_interval, wilson
from pytest_robustness.gate.variants import contrasts
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, SetChange, Status, Verdict
from pytest_robustness.report import data
from pytest_robustness.report.against_baseline import of_pair, security_curve, worst_case
from pytest_robustness.report.published import beside, load_published
from pytest_robustness.report.sentence import sentence
from pytest_robustness.suite.suite import Case, Suite


@dataclass(frozen=True)
class Run:
    """Holds what is known at the end of a run, by case where that makes sense.

    Attributes:
        troubles: why a case did not get as far as a measurement that counts: skipped, error, crashed.
        problems: what a case's failure said, when there is no verdict.
        tests: the id of the case's test.
        pairs: the measurements with their baselines, where they were compared.
        lists: where the lists of their images come from.
        diagnoses: of the regressed cases.
        created: when the run ended; None for now, and empty where nobody knows.
        complete: whether the run reached its end.
    """

    suite: Suite
    title: str
    recording: data.Recording
    candidate: str | None
    command: str
    rerun: str
    commit: str | None
    measurements: Mapping[str, Measurement]
    verdicts: Mapping[str, Verdict]
    troubles: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    pooled: Mapping[str, MetricVerdict] = field(default_factory=dict)
    galleries: Sequence[Gallery] = ()
    failures: Sequence[str] = ()
    notes: Sequence[str] = ()
    complete: bool = True
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    lists: Lists = field(default_factory=Lists)
    diagnoses: Sequence[Diagnosis] = ()
    created: str | None = None


def build(run: Run) -> data.Report:
    """Return the report of a run, which may be of any part of the suite or of none."""
    cases = list(_cases(run))
    ran = {case.model for case in cases}
    sound = {case: one for case, one in run.measurements.items() if case not in run.troubles}
    passed = run.complete and not run.failures and not any(case.failed for case in cases)
    return data.Report(
        schema=data.SCHEMA,
        title=run.title,
        suite=run.suite.name,
        candidate=run.candidate,
        recording=run.recording,
        passed=passed,
        sentence=sentence(run.title, cases, run.failures, recording=run.recording, complete=run.complete),
        expected=len(list(run.suite.cases())),
        models=[_model(run, name, sound) for name in run.suite.models if name in ran],
        attacks=[_attack(run.suite, name, sound) for name in run.suite.all_attacks],
        families=_families(run.suite),
        cases=cases,
        pooled=[data.Pooled(name=name, verdict=verdict) for name, verdict in run.pooled.items()],
        contrasts=[
            data.Contrast(models=one.models, group=one.group, attack=one.attack, metrics=dict(one.metrics))
            for one in contrasts(run.suite, sound)
        ],
        galleries=list(run.galleries),
        published=list(_published(run.suite, sound)),
        failures=list(run.failures),
        notes=list(run.notes),
        judging=data.Judging(
            policy=run.suite.policy,
            inconclusive=run.suite.inconclusive,
            alpha=run.suite.alpha,
            tolerances=run.suite.tolerances.model_dump(),
        ),
        provenance=_provenance(run),
        complete=run.complete,
    )


def _families(suite: Suite) -> dict[str, list[str]]:
    """Return the suite's groups, and one more of the models that are in none of them."""
    grouped = {model for models in suite.groups.values() for model in models}
    others = [model for model in suite.models if model not in grouped]
    return {**suite.groups, **({"models" if not grouped else "others": others} if others else {})}


def _model(run: Run, name: str, sound: Mapping[str, Measurement]) -> data.Model:
    suite = run.suite
    mine = [sound[case] for attack in suite.regular_attacks if (case := CaseId.of(name, attack)) in sound]
    rates = [one.aggregates.success_rate for one in mine if one.has_success_rate]
    known = [rate for rate in rates if rate is not None]
    whole = len(mine) == len(suite.regular_attacks) and len(known) == len(rates)
    verdicts = [run.verdicts[one.case] for one in mine if one.case in run.verdicts]
    made = mine[0].provenance.architecture if mine else None
    return data.Model(
        name=name,
        source=suite.models[name].source,
        groups=[group for group, models in suite.groups.items() if name in models],
        clean_accuracy=share(mine[0].evidence.unselected_correct) if mine else None,
        selected_accuracy=share(mine[0].evidence.correct) if mine else None,
        top_5=share(mine[0].evidence.unselected_top_5) if mine else None,
        success_rate=data.Value(value=fmean(known)) if known and whole else None,
        worst_case=worst_case(mine, run.pairs) if len(mine) == len(suite.regular_attacks) else None,
        parameters=made.parameters if made else None,
        layers=made.layers if made else None,
        activation=", ".join(made.activations) if made else None,
        weights_digest=mine[0].provenance.weights_digest if mine else None,
        changes=list(dict.fromkeys(change for verdict in verdicts for change in verdict.changes)),
    )


#: The published quantities that the page shows beside its own values, and what the report calls them.
PUBLISHED = {
    "success rate": "success rate",
    "noise rate": "noise rate",
    "seconds": "seconds",
    "success rate change": "change in success rate",
}


def _published(suite: Suite, sound: Mapping[str, Measurement]) -> Iterator[data.Published]:
    published = load_published(suite)
    for one in beside(published, suite, sound) if published else ():
        if one.quantity in PUBLISHED and isinstance(one.published, float):
            yield data.Published(
                of=one.subject,
                attack=one.attack,
                metric=PUBLISHED[one.quantity],  # type: ignore[arg-type]
                value=one.published,
                source=published.short if published else "",
            )


def _attack(suite: Suite, name: str, sound: Mapping[str, Measurement]) -> data.Attack:
    one = next((one for one in sound.values() if CaseId(one.case).attack == name), None)
    protocol = one.protocol if one else None
    return data.Attack(
        name=name,
        attack=suite.all_attacks[name].attack,
        parameters=dict(protocol.parameters) if protocol else suite.all_attacks[name].parameters,
        budget=one.budget if one else None,
        protocol=protocol,
        protocol_digest=protocol.digest if protocol else None,
        images=one.images if one else None,
        unselected=one.unselected if one else None,
    )


def _cases(run: Run) -> Iterator[data.Case]:
    """Yield the cases that were run, in the suite's order."""
    keys = Keys(run.lists)
    diagnoses = {one.case: one for one in run.diagnoses}
    for case in run.suite.cases():
        trouble, verdict = run.troubles.get(case.id), run.verdicts.get(case.id)
        if trouble is not None:
            reason = run.problems.get(case.id, f"{case.id}: {trouble}")
            yield _case(run, case, trouble, trouble != Status.SKIPPED, reason)
        elif verdict is not None:
            failed = run.recording == "none" and not verdict.passed
            found = _case(run, case, verdict.status, failed, verdict.reason, run.measurements[case.id], verdict)
            more = of_pair(run.suite, run.pairs[case.id], keys) if case.id in run.pairs else {}
            yield found.model_copy(update=more | {"diagnosis": diagnoses.get(case.id)})


def _case(
    run: Run,
    case: Case,
    status: str,
    failed: bool,
    reason: str,
    found: Measurement | None = None,
    verdict: Verdict | None = None,
) -> data.Case:
    values = {} if found is None else values_of(found)
    return data.Case(
        case=case.id,
        model=case.model_name,
        attack=case.attack_name,
        test=run.tests.get(case.id),
        word=status,
        failed=failed,
        reason=reason,
        metrics=verdict.metrics if verdict else [],
        extra=extra_values(found) if found else {},
        set_change=verdict.images if verdict else SetChange(),
        doubts=verdict.doubts if verdict else [],
        **values,  # type: ignore[arg-type]
    )


def values_of(found: Measurement) -> dict[str, object]:
    """Return what a report shows of a measurement, by the names of the fields of its case."""
    rates, evidence = found.aggregates, found.evidence
    one_step = found.budget == 1  # one step costs every image the same
    return {
        "images": rates.images,
        "attempts": rates.attempts,
        "successes": rates.successes,
        "success_rate": _rate(rates.successes, rates.attempts) if found.has_success_rate else None,
        "robust_accuracy": _rate(rates.attempts - rates.successes, rates.images) if found.has_success_rate else None,
        "distance": _distance(rates.distance, evidence),
        "security_curve": security_curve(evidence),
        "fooled_by": _fooled_by(found),
        "noise_rate": _mean(evidence.noise),
        "effort": None if one_step else _mean(evidence.effort or ()),
        "forwards": _mean(evidence.forwards or ()),
        "gradients": _mean(evidence.gradients or ()),
        "time": _time(found),
        "seconds_per_attempt": found.timing.seconds_per_attempt,
    }


def _rate(count: int, of: int) -> data.Value | None:
    return data.Value(value=count / of, interval=wilson(count, of)) if of else None


def share(bits: Sequence[int] | None) -> data.Value | None:
    return _rate(sum(bits), len(bits)) if bits else None


def _mean(values: Iterable[float | None]) -> data.Value | None:
    known = [value for value in values if value is not None]
    return data.Value(value=fmean(known), interval=mean_interval(known)) if known else None


def _distance(median: float | None, evidence: Evidence) -> data.Value | None:
    found = [value for value in evidence.distance or () if value is not None]
    return None if median is None else data.Value(value=median, interval=median_interval(found))


def _fooled_by(found: Measurement) -> dict[str, int]:
    """Return how many images each member of an ensemble fooled, in their order; nothing for other attacks."""
    if found.evidence.fooled_by is None:
        return {}
    names = str(found.protocol.parameters.get("attacks", "")).split(", ")
    counts = Counter(found.evidence.fooled_by)
    return {name: counts[member] for member, name in enumerate(names)}


def _time(found: Measurement) -> data.Value | None:
    units = found.gradient_units
    if units is None or found.timing.gradient_units is None:
        return None if units is None else data.Value(value=units, interval=None)
    reach = time_reach(found.timing)
    sure = found.timing.rounds > 1
    return data.Value(value=units, interval=(units * max(0.0, 1 - reach), units * (1 + reach)) if sure else None)


def _provenance(run: Run) -> data.Provenance:
    sources = [one.provenance for one in run.measurements.values()]

    def distinct(name: str) -> list[str]:
        return sorted({getattr(source, name) for source in sources})

    return data.Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds") if run.created is None else run.created,
        command=run.command,
        rerun=run.rerun,
        plugin=version("pytest-robustness"),
        python=platform.python_version(),
        torch=distinct("torch"),
        attacks=distinct("attacks"),
        devices=distinct("device"),
        commit=run.commit,
    )

"""Builds the history of a suite's baselines from what git has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from pytest_robustness.gate import git_history
from pytest_robustness.gate import history as gate
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report.build import share, values_of
from pytest_robustness.report.data import Value
from pytest_robustness.report.history import data

#: The metrics that are shown, in their order, and the names of their values in a report's case.
METRICS = {
    "success rate": "success_rate",
    "robust accuracy": "robust_accuracy",
    "distance": "distance",
    "effort": "effort",
    "noise rate": "noise_rate",
}
CLEAN = "clean accuracy"


def build(past: gate.History, suite: str, *, since: str | None = None, authors: bool = False) -> data.History:
    """Return the history of a suite's baselines.

    Args:
        past: what git has of them.
        suite: the suite's name.
        since: the revision it begins with, as it was given.
        authors: whether the names of the commits' authors are part of it.
    """
    log, collected = past.log, _Collected()
    for event in past.events():
        collected.add(event)
    erosions = dict(past.erosions())
    shown = past.shown
    return data.History(
        schema=data.SCHEMA,
        suite=suite,
        folders=list(log.folders),
        head=log.head,
        since=since,
        shallow=log.shallow,
        steps=[_step(number, step, collected, authors) for number, step in enumerate(shown, 1)],
        tags=[
            data.Tag(name=tag.name, commit=tag.commit, after=sum(step.after >= tag.after for step in shown))
            for tag in log.tags
            if log.since is None or tag.after <= log.since
        ],
        series=[_series(case, collected, erosions.get(case)) for case in sorted(collected.versions)],
        unreadable=[
            data.Unreadable(
                step=one.step,
                commit=shown[one.step - 1].commit.name,
                case=one.case,
                path=one.path,
                problem=one.problem,
            )
            for one in collected.unreadable
        ],
        notes=list(_notes(log, collected)),
    )


class _Collected:
    """Gathers events by case. The versions of a renamed case go to its new name."""

    def __init__(self) -> None:
        self.versions: dict[str, list[data.Version]] = {}
        self.removed: dict[str, list[int]] = defaultdict(list)
        self.renamed: dict[int, dict[str, str]] = defaultdict(dict)
        self.models: dict[int, dict[str, list[str]]] = defaultdict(dict)
        self.unreadable: list[gate.Unreadable] = []
        self.written: Counter[int] = Counter()

    def add(self, event: gate.Event) -> None:
        self.written[event.step] += not isinstance(event, gate.Removed)
        if isinstance(event, gate.Unreadable):
            self.unreadable.append(event)
        elif isinstance(event, gate.Removed):
            self.removed[event.case].append(event.step)
        else:
            if event.was is not None:
                self.renamed[event.step][event.case] = event.was
                self.versions[event.case] = self.versions.pop(event.was) + self.versions.get(event.case, [])
                self.removed[event.case] = sorted(self.removed[event.case] + self.removed.pop(event.was, []))
            self.versions.setdefault(event.case, []).append(_version(event))
            if event.verdict is not None and event.verdict.changes:
                self.models[event.step][CaseId(event.case).model] = event.verdict.changes


def _version(event: gate.Version) -> data.Version:
    found, verdict = event.measurement, event.verdict
    return data.Version(
        step=event.step,
        case=event.case,
        was=event.was,
        status=verdict.status if verdict else None,
        reason=verdict.reason if verdict else "",
        breaks=event.breaks,
        images=found.images.count,
        attempts=found.aggregates.attempts,
        values=dict(_values(found)),
        metrics=verdict.moved if verdict else [],
        doubts=verdict.doubts if verdict else [],
        weights_digest=found.provenance.weights_digest,
        code_digest=found.provenance.code_digest,
        protocol_digest=found.protocol.digest,
        norm=found.protocol.distance,
        torch=found.provenance.torch,
        device=found.provenance.device,
    )


def _values(found: Measurement) -> Iterator[tuple[str, Value]]:
    shown = values_of(found)
    for metric, name in METRICS.items():
        if isinstance(value := shown[name], Value):
            yield metric, value
    clean = share(found.evidence.unselected_correct)
    if clean is not None:
        yield CLEAN, clean


def _commit(one: git_history.Commit, authors: bool) -> data.Commit:
    when = one.when.isoformat(timespec="seconds")
    return data.Commit(commit=one.name, when=when, subject=one.subject, author=one.author if authors else None)


def _step(number: int, step: git_history.Step, collected: _Collected, authors: bool) -> data.Step:
    return data.Step(
        **_commit(step.commit, authors).model_dump(),
        number=number,
        came=[_commit(one, authors) for one in step.came],
        written=collected.written[number],
        removed=sorted(case for case, steps in collected.removed.items() if number in steps),
        renamed=dict(sorted(collected.renamed[number].items())),
        models=[data.ModelChange(model=model, changes=changes) for model, changes in collected.models[number].items()],
    )


def _series(case: str, collected: _Collected, erosion: gate.Erosion | None) -> data.Series:
    named = CaseId(case)
    return data.Series(
        case=case,
        model=named.model,
        attack=named.attack,
        versions=collected.versions[case],
        removed=collected.removed[case],
        erosion=_erosion(erosion) if erosion else None,
    )


def _erosion(found: gate.Erosion) -> data.Erosion:
    verdict = found.verdict
    return data.Erosion(since=found.since, status=verdict.status, reason=verdict.reason, metrics=verdict.metrics)


def _notes(log: git_history.Log, collected: _Collected) -> Iterator[str]:
    if log.shallow:
        yield "This is a shallow clone: earlier versions are not here. git fetch --unshallow gets them."
    if len(log.folders) > 1:
        yield f"The baselines were moved: they lay in {', then in '.join(reversed(log.folders))}."
    never = sorted({one.case for one in collected.unreadable} - collected.versions.keys())
    renamed = {old for names in collected.renamed.values() for old in names.values()}
    if never := [case for case in never if case not in renamed]:
        yield f"Never readable in any version, and not drawn: {', '.join(never)}."
    if log.other_tags:
        yield f"{log.other_tags} older tags of other branches are not shown."

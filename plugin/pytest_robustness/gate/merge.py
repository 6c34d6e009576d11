"""Merges what the shards of a run measured into one run, as if one machine had measured it. Reads no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.gate.pairing import digests
from pytest_robustness.gate.run_files import Run
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.part import CleanPart, Part, merge, why_not_comparable
from pytest_robustness.records.run_record import CaseRecord, RunRecord, one_line
from pytest_robustness.records.shard import ModelPart, Plan, Shard


def merge_shards(named: Mapping[str, Shard]) -> Run:
    """Merge all shards of one plan into a run. A case that cannot be merged is one of the run without a measurement.

    Args:
        named: the shards, by the names of their files.

    Raises RobustnessError, which names the file or the shard, for shards of different plans, for one that is there
    twice, that is missing or did not end, for one whose parts are not those of the plan, and for a list of images that
    is in none.
    """
    if not named:
        raise RobustnessError("there are no parts to be merged")
    _check_plans(named)
    plan = next(iter(named.values())).plan
    _check_numbers(named, len(plan.shards))
    for name, shard in named.items():
        _check_parts(name, shard)
    lists = {one.digest: one for shard in named.values() for one in shard.lists}
    merging = _Merging(plan, {shard.shard: shard for shard in named.values()})
    measurements, cases = dict[str, Measurement](), dict[str, CaseRecord]()
    for case in plan.cases:
        try:
            measurements[case] = merging.measurement(case)
        except _Unmeasured as one:
            cases[case] = one.record
        else:
            cases[case] = CaseRecord(status="measured", test=merging.test_of(case))
    needed = sorted(digests(measurements.values()))
    if lost := [digest for digest in needed if digest not in lists]:
        raise RobustnessError(f"no part has the list of the images {lost[0][:12]}: was one edited by hand?")
    used = [lists[digest] for digest in needed]
    return Run(_record(plan, cases, measurements), measurements, used)


def _check_plans(named: Mapping[str, Shard]) -> None:
    """Raise RobustnessError for the first file whose plan is not that of most others."""
    usual, _ = Counter(shard.plan_digest for shard in named.values()).most_common(1)[0]
    first = next(name for name, shard in named.items() if shard.plan_digest == usual)
    for name, shard in named.items():
        if difference := shard.plan.first_difference(named[first].plan):
            raise RobustnessError(f"{name}: is of another plan than {first}: {difference}")


def _check_numbers(named: Mapping[str, Shard], count: int) -> None:
    found: dict[int, str] = {}
    for name, shard in named.items():
        if shard.shard in found:
            there = f"shard {shard.shard} of {count} is there twice, also in {found[shard.shard]}"
            raise RobustnessError(f"{name}: {there}")
        found[shard.shard] = name
    for name, shard in named.items():
        if not shard.complete:
            raise RobustnessError(f"{name}: shard {shard.shard} of {count} did not end: run it again")
    if missing := [number for number in range(1, count + 1) if number not in found]:
        words = ("shard", "is") if len(missing) == 1 else ("shards", "are")
        command = f"--robustness-shard {missing[0]}/{count}"
        what = f"{words[0]} {some(missing, 10)} of {count} {words[1]} missing"
        raise RobustnessError(f"{what}: run by {command}, or give the file")


def _check_parts(name: str, shard: Shard) -> None:
    """Raise RobustnessError when a shard's parts are not those of its plan, each once."""
    tasks, found = shard.tasks, Counter(part.case for part in shard.parts)
    for part in shard.parts:
        task = tasks.get(part.case)
        if task is None:
            raise RobustnessError(f"{name}: {part.case}: is not planned for shard {shard.shard}")
        if found[part.case] > 1:
            raise RobustnessError(f"{name}: {part.case}: is there twice")
        if len(part.places) != task.stop - task.start or part.places != list(task.rows):
            planned = f"images {task.start} to {task.stop - 1}"
            raise RobustnessError(f"{name}: {part.case}: has other images than the planned, {planned}")
    for case in tasks:
        measured = case in shard.cases and shard.cases[case].status == "measured"
        if measured and case not in found:
            raise RobustnessError(f"{name}: {case}: was measured, and is missing")


class _Unmeasured(Exception):
    """Says why a case has no measurement."""

    def __init__(self, record: CaseRecord) -> None:
        super().__init__(record.problem)
        self.record = record


class _Merging:
    """Puts cases together from the shards of a plan, by their numbers."""

    def __init__(self, plan: Plan, shards: Mapping[int, Shard]) -> None:
        self.plan, self.shards = plan, shards

    def test_of(self, case: str) -> str | None:
        return next((self.shards[number].tests.get(case) for number, _ in self.plan.tasks_of(case)), None)

    def measurement(self, case: str) -> Measurement:
        """Return the measurement of a case. Raises _Unmeasured when it has none."""
        parts = [self._part(number, case) for number, _ in self.plan.tasks_of(case)]
        number, model = self._model(case)
        clean = None if model.clean is None else model.clean.model_copy(update={"case": case})
        try:
            merged = merge(parts, clean)
            self._check_model(case, number, merged, model, clean)
        except RobustnessError as error:
            raise self._unmeasured(case, str(error)) from None
        return merged if merged.findings is not None else merged.model_copy(update={"findings": model.findings})

    def _part(self, number: int, case: str) -> Part:
        shard = self.shards[number]
        record = shard.cases.get(case, CaseRecord(status="not run"))
        if record.status != "measured":
            raise _Unmeasured(record.model_copy(update={"test": self.test_of(case)}))
        return next(part for part in shard.parts if part.case == case)

    def _model(self, case: str) -> tuple[int, ModelPart]:
        """Return what was measured of a case's model, and the number of the shard that did."""
        name = CaseId(case).model
        number, task = next(
            (number, task)
            for number, tasks in enumerate(self.plan.shards, 1)
            for task in tasks
            if task.model_too and CaseId(task.case).model == name
        )
        found = self.shards[number].models.get(name)
        if found is None:
            why = self.shards[number].cases.get(task.case, CaseRecord(status="not run"))
            what = f"{case}: its model was not measured without an attack, in shard {number} with {task.case}"
            raise self._unmeasured(case, f"{what}: {why.problem or why.status}")
        return number, found

    @staticmethod
    def _check_model(case: str, number: int, merged: Measurement, model: ModelPart, clean: CleanPart | None) -> None:
        """Raise RobustnessError when what was measured of the model is of another model, or on another device."""
        if model.provenance.changes(merged.provenance):
            raise RobustnessError(f"{case}: cannot be merged: shard {number} measured another model by this name")
        own = merged.provenance.model_copy(update={"attacks": model.provenance.attacks})
        if clean is not None and (reason := why_not_comparable(own, model.provenance)):
            raise RobustnessError(f"{case}: not comparable: attacked and unselected images were measured {reason}")

    def _unmeasured(self, case: str, problem: str) -> _Unmeasured:
        return _Unmeasured(CaseRecord(status="error", problem=one_line(problem), test=self.test_of(case)))


def _record(plan: Plan, cases: Mapping[str, CaseRecord], measurements: Mapping[str, Measurement]) -> RunRecord:
    return RunRecord(
        suite=plan.suite,
        complete=True,
        plugin=plan.plugin,
        torch=sorted({one.provenance.torch for one in measurements.values()}),
        candidate=plan.candidate,
        commit=plan.commit,
        cases=dict(cases),
    )

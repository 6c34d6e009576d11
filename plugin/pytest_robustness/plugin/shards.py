"""Sharded runs: a process that collects plans the run and keeps the tests of its shard; the shard's file is written.

A shard measures and does not judge, so it has no verdicts, no baselines and no report.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import write_whole
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.plugin.collection import case_of
from pytest_robustness.plugin.controller import Controller, said
from pytest_robustness.plugin.git import commit_of
from pytest_robustness.plugin.reruns import RERUN
from pytest_robustness.plugin.run_output import IN_ORDER, case_record
from pytest_robustness.plugin.settings import Settings, Shard
from pytest_robustness.plugin.stash import OUTPUTS, PLAN
from pytest_robustness.plugin.suites import SUITES
from pytest_robustness.records import shard as records
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.shard import Measured, Plan, PlannedTask
from pytest_robustness.records.verdict import Status
from pytest_robustness.report.terminal import Summary

#: The plan, in what a worker sends when it ends.
OUTPUT = "robustness_plan"
#: What a shard ends with when something could not be measured.
UNMEASURED = pytest.ExitCode.INTERRUPTED  # 2


def own_task(config: pytest.Config, case: str) -> PlannedTask:
    """Return what this shard measures of a case."""
    plan, shard = config.stash[PLAN], _shard(config)
    return next(task for task in plan.shards[shard.number - 1] if task.case == case)


def _shard(config: pytest.Config) -> Shard:
    shard = config.stash[SUITES].each[0].shard  # a sharded run has one suite
    assert shard is not None
    return shard


def readable(store: BaselineStore, case: str) -> Measurement | None:
    """Return a case's baseline. Returns None when it has none that can be read: its own test says so."""
    try:
        return store.read(case)
    except RobustnessError:
        return None


class Planning:
    """Plans the run and leaves out what other shards run. It works in every process that collects tests."""

    def __init__(self, settings: Settings, shard: Shard) -> None:
        self.settings, self.shard = settings, shard

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of this shard: its cases, and every N-th of the other tests, by their ids."""
        try:
            plan = config.stash[PLAN] = self._plan(config, items)
        except RobustnessError as error:
            raise pytest.UsageError(str(error)) from None
        own = {task.case for task in plan.shards[self.shard.number - 1]}
        others = sorted(item.nodeid for item in items if case_of(item) is None)
        own_others = set(others[self.shard.number - 1 :: self.shard.count])

        def is_own(item: pytest.Item) -> bool:
            case = case_of(item)
            return item.nodeid in own_others if case is None else case in own

        left = [item for item in items if not is_own(item)]
        if left:
            config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if is_own(item)]

    def _plan(self, config: pytest.Config, items: Sequence[pytest.Item]) -> Plan:
        from pytest_robustness.execute.shard import plan_run

        settings = self.settings
        cases = {case for item in items if (case := case_of(item)) is not None}
        return plan_run(
            settings.suite,
            cases,
            {case: one for case in cases if (one := readable(settings.store, case)) is not None},
            self.shard.count,
            commit=commit_of(config.rootpath),
            candidate=settings.candidate,
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the plan to the process that writes the file."""
        if PLAN in session.config.stash and hasattr(session.config, "workeroutput"):
            session.config.workeroutput[OUTPUT] = session.config.stash[PLAN].model_dump_json()


class ShardController(Controller):
    """Gathers what the tests of a shard measured, and writes it. It judges nothing."""

    def __init__(self, config: pytest.Config, settings: Settings, shard: Shard) -> None:
        super().__init__(config, settings)
        self.shard = shard
        self.measured: dict[str, Measured] = {}

    @property
    def path(self) -> Path:
        path = self.config.stash[OUTPUTS].part
        assert path is not None
        return path

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Remove an earlier part, so that a shard that is killed is not taken for one that ended.

        Raise UsageError, before any worker starts, when the images cannot be counted, so that nothing can be planned.
        """
        from pytest_robustness.execute.shard import size_of

        try:
            size_of(next(self.settings.suite.cases()))
        except RobustnessError as error:
            raise pytest.UsageError(str(error)) from None
        if not self.config.option.collectonly:
            self.path.unlink(missing_ok=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        text = getattr(node, "workeroutput", {}).get(OUTPUT)
        if text is not None:
            self.config.stash[PLAN] = Plan.model_validate_json(text)

    def _take(self, case: str, text: str, report: pytest.TestReport) -> None:
        found = self.measured[case] = Measured.model_validate_json(text)
        self.image_lists |= {one.digest: one for one in found.lists}
        if found.part is None and report.outcome != RERUN:
            self.troubles[case] = Status.ERROR
            self.problems[case] = said(report)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None]:  # type: ignore[override]
        """Write the part after all other plugins have written theirs, and choose the exit status."""
        yield
        plan = self.config.stash.get(PLAN, None)
        if self.config.option.collectonly or exitstatus not in (*IN_ORDER, pytest.ExitCode.INTERRUPTED):
            return
        if plan is None:
            self.failures.append("no process planned the run: nothing was measured")
            session.exitstatus = UNMEASURED
            return
        ended = exitstatus in IN_ORDER and not (session.shouldstop or session.shouldfail)
        part = self._part(plan, complete=ended)
        try:
            write_whole(self.path, part.to_json())
        except OSError as error:
            self.failures.append(f"{self.path}: cannot be written: {error.strerror}")
            session.exitstatus = UNMEASURED
            return
        self._tell(part)
        if part.unmeasured or not ended:
            session.exitstatus = UNMEASURED
        elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and plan.cases:
            session.exitstatus = pytest.ExitCode.OK  # there are more shards than parts

    def _part(self, plan: Plan, *, complete: bool) -> records.Shard:
        own = [task.case for task in plan.shards[self.shard.number - 1]]
        done = {case: one for case, one in self.measured.items() if one.part is not None}
        models = {case: one.model for case, one in self.measured.items() if one.model is not None}
        return records.Shard(
            schema=records.SCHEMA,
            plan_digest=plan.digest,
            plan=plan,
            shard=self.shard.number,
            complete=complete,
            cases={case: case_record(self, case, measured=case in done) for case in own},
            tests={case: self.tests[case] for case in own if case in self.tests},
            parts=[one.part for case in own if (one := done.get(case)) and case not in self.troubles and one.part],
            models={case.partition("/")[0]: models[case] for case in own if case in models},
            lists=[self.image_lists[digest] for digest in sorted(self.image_lists)],
        )

    def _tell(self, part: records.Shard) -> None:
        folder = self.settings.invocation
        shown = self.path.relative_to(folder) if self.path.is_relative_to(folder) else self.path
        count, rows = len(part.parts), sum(len(one.places) for one in part.parts)
        whole = sum(len(one.places) == one.images.count for one in part.parts)
        what = f"{whole} cases and {count - whole} parts of cases, {rows} images attacked"
        state = "" if part.complete else ", not complete: run this shard again"
        self.notes.append(f"written: {shown}: shard {self.shard.number} of {self.shard.count}: {what}{state}")
        self.notes.append(f"the plan is {part.plan_digest[:16]}, of {len(part.plan.cases)} cases")
        if self.settings.anchors is not None or self.settings.anchor_revision is not None:
            self.notes.append("no anchor is held against a shard: give it to the judge of the merged run, --anchor")
        self.failures += [self._why(part, case) for case in part.unmeasured]

    @staticmethod
    def _why(part: records.Shard, case: str) -> str:
        one = part.cases[case]
        return one.problem if one.problem else f"{case}: {one.status}"

    def summary(self) -> Summary:
        return Summary(self.settings.title, [], [], self.notes, self.failures)

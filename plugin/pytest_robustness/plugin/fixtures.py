"""The fixtures of a suite's test module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.lost_device import failing
from pytest_robustness.plugin.outputs import OutputOptions
from pytest_robustness.plugin.progress import Progress
from pytest_robustness.plugin.recorder import properties, without_properties
from pytest_robustness.plugin.shards import own_task, readable
from pytest_robustness.plugin.stash import LISTS, MEASURING, OUTPUTS, PLAN, RESULT, SHARED_DEVICE
from pytest_robustness.plugin.suites import SUITES
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.part import merge
from pytest_robustness.records.result import Result
from pytest_robustness.records.shard import Measured
from pytest_robustness.records.verdict import Status
from pytest_robustness.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_robustness.evaluate.clean import ModelCache
    from pytest_robustness.evaluate.rounds import Round
    from pytest_robustness.evaluate.runtime.devices import Device
    from pytest_robustness.execute.measuring import Here
    from pytest_robustness.records.measurement import Measurement
    from pytest_robustness.records.verdict import Verdict


class Rounds(Protocol):
    """Runs the rounds of a case, and records the measurement that came of them."""

    def __call__(self, rounds: Sequence[Round]) -> None: ...

    def describe(self, measurement: Measurement) -> None: ...


class Robustness:
    """Checks one case: the gate as a test sees it."""

    def __init__(
        self,
        request: pytest.FixtureRequest,
        label: str,
        device: Device | None,
        rounds: Rounds,
        model_cache: ModelCache,
    ) -> None:
        self._item: pytest.Item = request.node
        self._settings, case = request.config.stash[SUITES].of(label)
        self._outputs: OutputOptions = request.config.stash[OUTPUTS].of_suite(self._settings)
        self._progress = request.config.pluginmanager.getplugin(Progress.NAME)
        self._case = self._settings.suite.case(case)
        self._device = device
        self._rounds = rounds
        self._model_cache = model_cache

    def check(self) -> None:
        """Attack, measure and compare with the baseline; fail the test when the model became easier to attack."""
        __tracebackhide__ = True
        if self._settings.shard is not None:
            with failing(self._item, self._case.id):
                self._measure()
            return
        with failing(self._item, self._case.id):
            result = self._result()
        self._item.stash[RESULT] = result.model_dump_json()
        self._item.stash[LISTS] = {one.digest for one in result.image_lists}
        self._item.user_properties[:] = [*without_properties(self._item.user_properties), *properties(result)]
        if not result.verdict.passed and self._settings.recording == "none":
            pytest.fail(printable(result.verdict.reason) + self._advice(result.verdict), pytrace=False)

    def _result(self) -> Result:
        from pytest_robustness.execute.case import Request, run_case

        settings, case = self._settings, self._case
        sent: set[str] = self._item.config.stash[LISTS]
        baseline = self._baseline()  # first, so that a damaged file is reported before the attack
        request = Request(
            anchor=settings.anchor if settings.recording == "none" else None,  # none: a new baseline is wanted
            limit=settings.limit,
            changed_only=settings.changed_only,
            accept_removed_images=settings.accept_removed_images,
            recording=settings.recording != "none",
            known_lists=sent,
            wants_pictures=self._wants_pictures,
        )
        return run_case(
            case,
            baseline,
            request,
            measuring=self._item.config.stash.get(MEASURING, None) or self._here(),
            stored_list=settings.store.image_list,
            measured=self._rounds.describe,
        )

    def _baseline(self) -> Measurement | None:
        try:
            return self._settings.store.read(self._case.id)
        except RobustnessError as error:
            raise RobustnessError(f"{error}; restore the file, or delete it and record it: {self._command}") from None

    def _measure(self) -> None:
        """Measure what this shard has of the case, and of its model; what was measured is sent whatever follows."""
        from pytest_robustness.evaluate.images.load import image_lists
        from pytest_robustness.evaluate.runtime.devices import as_device
        from pytest_robustness.execute.shard import measure_for_model, measure_task

        settings, case, stash = self._settings, self._case, self._item.stash
        config, device = self._item.config, as_device(self._device)
        task, baseline = own_task(config, case.id), self._baseline()
        model = None
        if task.model_too:
            others = [one for one in config.stash[PLAN].cases if CaseId(one).model == case.model_name]
            baselines = [readable(settings.store, one) for one in others]
            model = measure_for_model(case, baselines, device=device, model_cache=self._model_cache)
            stash[LISTS], stash[RESULT] = set(), Measured(model=model).model_dump_json()
        part = measure_task(
            case,
            task.rows,
            baseline,
            device=device,
            time_unreliable_because=_time_unreliable_because(),
            run_rounds=self._rounds,
            progress=self._progress.of(settings.label(case.id)),
            model_cache=self._model_cache,
        )
        if len(task.rows) == part.images.count:
            self._rounds.describe(merge([part]))
        unsent = {one.digest: one for one in image_lists(case) if one and one.digest not in config.stash[LISTS]}
        stash[LISTS] = set(unsent)
        stash[RESULT] = Measured(part=part, model=model, lists=list(unsent.values())).model_dump_json()

    def _here(self) -> Here:
        from pytest_robustness.evaluate.runtime.devices import as_device
        from pytest_robustness.execute.measuring import Here

        return Here(
            limit=self._settings.limit,
            device=as_device(self._device),
            time_unreliable_because=_time_unreliable_because(),
            run_rounds=self._rounds,
            progress=self._progress.of(self._settings.label(self._case.id)),
            model_cache=self._model_cache,
        )

    def _wants_pictures(self, verdict: Verdict) -> bool:
        return self._outputs.pictures_of(
            self._settings.label(self._case.id), regressed=verdict.status == Status.REGRESSED
        )

    def _advice(self, verdict: Verdict) -> str:
        if verdict.status not in (Status.NO_BASELINE, Status.NOT_COMPARABLE):
            return ""
        options = ["--accept-removed-images"] if verdict.images.removed else []
        changed = verdict.status == Status.NOT_COMPARABLE and not verdict.images.removed
        first = "; to judge the change, record on the base commit first, with this suite" if changed else ""
        return f"{first}; record it: {self._settings.recording_command(self._item.nodeid, *options)}"

    @property
    def _command(self) -> str:
        return self._settings.recording_command(self._item.nodeid)


def _time_unreliable_because() -> str | None:
    return "several workers share a GPU" if SHARED_DEVICE in os.environ else None


@pytest.fixture(scope="session")
def robustness_model_cache() -> ModelCache:
    """What this process found out about models, for the next of their cases."""
    from pytest_robustness.evaluate.clean import ModelCache

    return ModelCache()


@pytest.fixture
def robustness(
    request: pytest.FixtureRequest,
    robustness_case: str,
    robustness_rounds: Rounds,
    robustness_model_cache: ModelCache,
) -> Robustness:
    """The gate for one case of the suite: ``robustness.check()``. A test that uses it runs once for each case."""
    here = MEASURING not in request.config.stash
    device = request.getfixturevalue("robustness_device") if here else None  # an engine's workers have their own
    return Robustness(request, robustness_case, device, robustness_rounds, robustness_model_cache)

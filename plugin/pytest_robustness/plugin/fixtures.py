"""The fixtures of a suite's test module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_robustness.errors import RobustnessError
from pytest_robustness.plugin.lost_device import failing
from pytest_robustness.plugin.outputs import OutputOptions
from pytest_robustness.plugin.progress import Progress
from pytest_robustness.plugin.recorder import properties
from pytest_robustness.plugin.settings import Settings
from pytest_robustness.plugin.stash import OUTPUTS, RESULT, SETTINGS, SHARED_DEVICE
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import Status
from pytest_robustness.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from pytest_robustness.evaluate.clean import ModelCache
    from pytest_robustness.evaluate.rounds import Round
    from pytest_robustness.gate.metrics import Rules
    from pytest_robustness.records.measurement import Measurement
    from pytest_robustness.records.verdict import Verdict


class Rounds(Protocol):
    """Runs the rounds of a case, and is told what came of them."""

    def __call__(self, rounds: Sequence[Round]) -> None: ...

    def describe(self, measurement: Measurement) -> None: ...


class Robustness:
    """The gate for one case, as a test sees it."""

    def __init__(
        self,
        request: pytest.FixtureRequest,
        case_id: str,
        device: torch.device,
        rounds: Rounds,
        model_cache: ModelCache,
    ) -> None:
        self._item: pytest.Item = request.node
        self._settings: Settings = request.config.stash[SETTINGS]
        self._outputs: OutputOptions = request.config.stash[OUTPUTS]
        self._progress = request.config.pluginmanager.getplugin(Progress.NAME)
        self._case = self._settings.suite.case(case_id)
        self._device = device
        self._rounds = rounds
        self._model_cache = model_cache

    def check(self) -> None:
        """Attack, measure, compare with the baseline; fails the test when the model became easier to attack."""
        __tracebackhide__ = True
        with failing(self._item, self._case.id):
            result = self._result()
        self._item.stash[RESULT] = result.model_dump_json()
        self._item.user_properties += properties(result)
        if not result.verdict.passed and self._settings.recording == "none":
            pytest.fail(printable(result.verdict.reason) + self._advice(result.verdict.status), pytrace=False)

    def _result(self) -> Result:
        from pytest_robustness.evaluate.measure import evaluate
        from pytest_robustness.evaluate.trial import Stopwatch
        from pytest_robustness.gate.judge import judge, not_judged
        from pytest_robustness.gate.metrics import Rules
        from pytest_robustness.gate.unchanged import judge_unchanged

        case = self._case
        try:  # first: a damaged file need not wait for the attack
            baseline = self._settings.store.read(case.id)
        except RobustnessError as error:
            raise RobustnessError(f"{error}; restore the file, or delete it and record it: {self._command}") from None
        rules = Rules.of(case)
        if self._settings.changed_only and baseline is not None and self._unchanged(baseline):
            return Result(
                measurement=baseline, verdict=self._anchored(baseline, judge_unchanged(baseline, rules), rules)
            )
        stopwatch = Stopwatch(self._settings.limit)
        measurement = evaluate(
            case,
            device=self._device,
            time_unreliable_because="several workers share a GPU" if SHARED_DEVICE in os.environ else None,
            run_rounds=self._rounds,
            progress=self._progress.of(case),
            stopwatch=stopwatch,
            model_cache=self._model_cache,
        )
        self._rounds.describe(measurement)
        if self._settings.limit:
            return Result(measurement=measurement, verdict=not_judged(case.id), estimate=stopwatch.estimate())
        verdict = self._anchored(measurement, judge(measurement, baseline, rules), rules)
        gallery = None
        if self._outputs.pictures_of(case.id, regressed=verdict.status == Status.REGRESSED):
            from pytest_robustness.evaluate.gallery import attack_again

            gallery = attack_again(case, measurement, device=self._device)
        return Result(measurement=measurement, verdict=verdict, gallery=gallery)

    def _anchored(self, measurement: Measurement, verdict: Verdict, rules: Rules) -> Verdict:
        """Also held against a release, unless a new baseline is what is wanted."""
        anchor = self._settings.anchor
        if anchor is None or self._settings.recording != "none":
            return verdict
        return anchor.judge(measurement, verdict, rules)

    def _unchanged(self, baseline: Measurement) -> bool:
        from pytest_robustness.evaluate.measure import identify
        from pytest_robustness.gate.unchanged import is_unchanged

        return is_unchanged(baseline, *identify(self._case, device=self._device, model_cache=self._model_cache))

    def _advice(self, status: Status) -> str:
        if status not in (Status.NO_BASELINE, Status.NOT_COMPARABLE):
            return ""
        return f"; record it: {self._command}"

    @property
    def _command(self) -> str:
        return self._settings.recording_command(self._item.nodeid)


@pytest.fixture(scope="session")
def robustness_model_cache() -> ModelCache:
    """What this process found out about models, for the next of their cases."""
    from pytest_robustness.evaluate.clean import ModelCache

    return ModelCache()


@pytest.fixture
def robustness(
    request: pytest.FixtureRequest,
    robustness_case: str,
    robustness_device: torch.device,
    robustness_rounds: Rounds,
    robustness_model_cache: ModelCache,
) -> Robustness:
    """The gate for one case of the suite: ``robustness.check()``. A test that uses it runs once for each case."""
    return Robustness(request, robustness_case, robustness_device, robustness_rounds, robustness_model_cache)

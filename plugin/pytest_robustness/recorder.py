"""What a test found rides its report to the controller."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from pydantic import BaseModel, ConfigDict

from pytest_robustness.gate.verdicts import Verdict
from pytest_robustness.records import Measurement
from pytest_robustness.stash import RESULT

#: Of a TestReport: JSON, so that it can be sent from any worker.
ATTRIBUTE = "_robustness"


class Result(BaseModel):
    """A case's measurement and what its worker says of it."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    measurement: Measurement
    verdict: Verdict


class Recorder:
    """Where tests run: puts the result on the report of the call."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and RESULT in item.stash:
            setattr(report, ATTRIBUTE, item.stash[RESULT])
        return report

"""Keys under which the roles keep what belongs to a session or a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_robustness.plugin.outputs import OutputOptions

if TYPE_CHECKING:
    from pytest_robustness.execute.measuring import Measuring
    from pytest_robustness.records.shard import Plan

#: Set in the environment of workers that share their GPU with another.
SHARED_DEVICE = "PYTEST_ROBUSTNESS_SHARED_DEVICE"

OUTPUTS = pytest.StashKey[OutputOptions]()
#: Of a sharded run.
PLAN: pytest.StashKey[Plan] = pytest.StashKey()
#: For a test: what is sent to the controller, as JSON.
RESULT = pytest.StashKey[str]()
#: For a test: digests of the image lists that its result brings. For a session: digests of those that were sent.
LISTS = pytest.StashKey[set[str]]()
#: What measures the cases of a session, where that is not this process.
MEASURING: pytest.StashKey[Measuring] = pytest.StashKey()

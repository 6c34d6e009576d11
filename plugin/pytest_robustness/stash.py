"""Where the roles keep what belongs to a session or a test."""

import pytest

from pytest_robustness.outputs import Wanted
from pytest_robustness.settings import Settings

SETTINGS = pytest.StashKey[Settings]()
WANTED = pytest.StashKey[Wanted]()
#: Of a test: what is sent to the controller, as JSON.
RESULT = pytest.StashKey[str]()

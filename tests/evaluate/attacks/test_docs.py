"""What docs/attacks.md shows is what runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pytest_robustness.evaluate.attacks.core import CORE
from pytest_robustness.evaluate.attacks.corruptions import SPECS
from pytest_robustness.evaluate.attacks.registry import LIBRARIES
from pytest_robustness.suite.ensembles import MEMBERS

from tests.evaluate.suites import case_of, measure

DOCS = (Path(__file__).parents[3] / "docs" / "attacks.md").read_text(encoding="utf-8")


def test_the_attack_of_ones_own_runs_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    (tmp_path / "shown_in_docs.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    found = measure(case_of(tmp_path, {"attack": "shown_in_docs:Climb", "eps": 0.03, "norm": "inf"}))
    assert found.protocol.parameters == {"eps": 0.03, "steps": 5}
    assert found.protocol.batch is None  # an image for itself
    assert found.evidence.forwards is not None
    assert 0 < found.aggregates.successes < found.aggregates.attempts


def test_every_attack_member_and_library_is_named() -> None:
    for name in (*CORE, *SPECS, *MEMBERS, *(f"{library}:" for library in LIBRARIES)):
        assert f"`{name}" in DOCS, name


def test_every_table_is_toml_of_a_suite() -> None:
    for table in re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL):
        assert set(tomllib.loads(table)) <= {"attacks", "ensembles"}

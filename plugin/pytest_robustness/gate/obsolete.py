"""What a whole run says of stored baselines that are of none of its suite's cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.suite import Suite


def strange_files(strange: Sequence[str], folder: Path) -> str:
    """Return a line on files that lie where baselines would, and are none."""
    files = ", ".join(f"{case}.json" for case in strange)
    return f"no baselines of the suite, and left alone: {files} in {folder}"


def of_no_case(gone: Sequence[str], suite: Suite, store: BaselineStore, unknown: Iterable[Measurement]) -> str:
    """Return a line on baselines of cases that left the suite, with hints on models that were perhaps only renamed.

    ``unknown`` are the measurements of cases that have no baseline.
    """
    text = f"baselines of cases that are not in the suite: {', '.join(gone)}; --prune-baselines deletes them"
    return text + "".join(f"; {hint}" for hint in _renamed(gone, suite, store, unknown))


def _renamed(gone: Sequence[str], suite: Suite, store: BaselineStore, unknown: Iterable[Measurement]) -> Iterator[str]:
    """Yield a hint for each new model that has the weights of one that is gone."""
    stored = {CaseId(case).model: store.read(case) for case in gone}
    for new, digest in {CaseId(one.case).model: one.provenance.weights_digest for one in unknown}.items():
        old = next((name for name, one in stored.items() if one and one.provenance.weights_digest == digest), None)
        if old is not None and old not in suite.models:
            command = f"python -m pytest_robustness rename {suite.path} {old} {new}"
            yield f"{new} has the weights of {old}: if it was renamed, keep its baselines by `{command}`"

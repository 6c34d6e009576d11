"""What a whole run says of stored baselines that are of none of its suite's cases, or of a suite of another name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.owner import is_taken
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


def of_no_suite(suite: Suite, store: BaselineStore, root: Path, unknown: Iterable[Measurement]) -> Iterator[str]:
    """Yield a line on baselines of a suite that was perhaps renamed to this one, which has none.

    They are of the same cases and the same weights, and their suite is no longer there. ``root`` is the repository's
    folder; ``unknown`` are the measurements of cases that have no baseline.
    """
    found = {one.case: one.provenance.weights_digest for one in unknown}
    if store.cases() or not found:
        return
    for folder in sorted(path for path in store.root.glob("*") if path.is_dir() and path != store.folder):
        other = BaselineStore(store.root, folder.name)
        same = [case for case in found.keys() & other.cases() if _weights(other, case) == found[case]]
        if same and not is_taken(folder, suite.path, root):
            command = f"python -m pytest_robustness rename {suite.path} {folder.name} {suite.name}"
            what = f"{len(same)} of its cases, with the same weights, in {folder}: if the suite was renamed"
            yield f"{suite.name} has no baselines, and there are some of {what}, keep them by `{command}`"


def _weights(store: BaselineStore, case: str) -> str | None:
    try:
        stored = store.read(case)
    except RobustnessError:
        return None
    return stored.provenance.weights_digest if stored else None


def _renamed(gone: Sequence[str], suite: Suite, store: BaselineStore, unknown: Iterable[Measurement]) -> Iterator[str]:
    """Yield a hint for each new model that has the weights of one that is gone."""
    stored = {CaseId(case).model: store.read(case) for case in gone}
    for new, digest in {CaseId(one.case).model: one.provenance.weights_digest for one in unknown}.items():
        old = next((name for name, one in stored.items() if one and one.provenance.weights_digest == digest), None)
        if old is not None and old not in suite.models:
            command = f"python -m pytest_robustness rename {suite.path} {old} {new}"
            yield f"{new} has the weights of {old}: if it was renamed, keep its baselines by `{command}`"

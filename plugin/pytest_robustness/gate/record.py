"""The only module that records baselines: those of an update run, of a stored run, and those that a run prunes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.owner import claim
from pytest_robustness.gate.pairing import digests
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.gate.update import Update, line, to_write
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.result import Result
from pytest_robustness.records.verdict import Status


def check_ci(*, allowed: bool) -> None:
    """Raise RobustnessError in CI unless updating is allowed there: a baseline that updates itself judges nothing."""
    if os.environ.get("CI") and not allowed:
        raise RobustnessError(
            "baselines are not updated where the environment variable CI is set; add --update-baselines-in-ci to do it"
        )


class BaselineWriter:
    """Writes and deletes baselines: in the controller, in a single process, or from a stored run.

    Args:
        store: the suite's baselines.
        suite: the suite's file.
        rootdir: the repository's root. Folders are shown relative to it.
        notes: what was done is added to it.
        failures: what could not be done is added to it.
    """

    def __init__(self, store: BaselineStore, suite: Path, rootdir: Path, notes: list[str], failures: list[str]) -> None:
        self.store, self.suite, self.rootdir = store, suite, rootdir
        self.notes, self.failures = notes, failures

    def record(
        self,
        results: Mapping[str, Result],
        troubles: Mapping[str, Status],
        image_lists: Mapping[str, ImageList],
        *,
        commit: str | None,
        accept_removed_images: bool,
        accept_suspicious: bool,
    ) -> None:
        """Write the results that differ from their baselines; a case in trouble keeps its file and is named.

        ``image_lists`` has the lists of their images, by digest. ``commit`` is the one that was measured.
        """
        updates = list(self._updates(result for case, result in results.items() if case not in troubles))
        refused = self._refused(updates, accept_removed_images, accept_suspicious)
        allowed = [update for update in updates if update.current.case not in refused]
        chosen = sorted(to_write(allowed), key=lambda update: update.current.case)
        written = [update.with_commit(commit) for update in chosen]
        replaced = {update.current.case for update in written}
        kept = [one.baseline for one in updates if one.baseline is not None and one.current.case not in replaced]
        needed = digests([*(update.current for update in written), *kept])
        lists = [image_lists[digest].without_columns() for digest in sorted(needed & image_lists.keys())]
        try:
            if written:
                claim(self.store.folder, self.suite, self.rootdir)
            self.store.write((update.current for update in written), lists)
        except RobustnessError as error:
            lost = [update.current.case for update in written if not self.store.holds(update.current)]
            self.failures.append(f"{error}; not recorded: {', '.join(lost)}")
            written = [update for update in written if update.current.case not in lost]
        self.notes += [line(update) for update in written]
        unchanged = len(allowed) - len(chosen)
        self.notes.append(f"baselines in {self.shown_folder}: {len(written)} written, {unchanged} unchanged")
        if troubles:
            named = ", ".join(f"{case} ({trouble})" for case, trouble in troubles.items())
            self.notes.append(f"not recorded: {named}")

    def _updates(self, sound: Iterable[Result]) -> Iterator[Update]:
        """Yield each result with the baseline it would replace. A baseline damaged since then is named as a failure."""
        for one in sound:
            case = one.measurement.case
            try:
                yield Update(one.measurement, self.store.read(case), one.verdict)
            except RobustnessError as error:
                self.failures.append(f"{error}; not recorded: {case}")

    def _refused(self, updates: Sequence[Update], removed_images: bool, suspicious: bool) -> set[str]:
        """Return the cases whose baselines must not be written, and name each with the reason as a failure."""
        reasons = {
            update.current.case: update.refusal(accept_removed_images=removed_images, accept_suspicious=suspicious)
            for update in updates
            if update.baseline is not None
        }
        refused = {case: reason for case, reason in reasons.items() if reason is not None}
        self.failures += [f"{case}: not recorded: {reason}" for case, reason in refused.items()]
        return set(refused)

    def prune(self, obsolete: Sequence[str]) -> None:
        """Delete the baselines of cases that left the suite."""
        try:
            self.store.remove(obsolete)
        except RobustnessError as error:
            self.failures.append(str(error))
            return
        self.notes.append(f"pruned baselines of cases that are not in the suite: {', '.join(obsolete)}")

    @property
    def shown_folder(self) -> Path:
        """Return the folder of the suite's baselines, relative to the repository if it lies in it."""
        folder = self.store.folder
        return folder.relative_to(self.rootdir) if folder.is_relative_to(self.rootdir) else folder

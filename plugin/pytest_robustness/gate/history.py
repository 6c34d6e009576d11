"""A suite's baselines over time: each version that git has, judged by the one before, and the newest by the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate import list_files
from pytest_robustness.gate.git import blobs
from pytest_robustness.gate.git_history import Log, Step
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.mistaken import BEGINNING, mistaken_content
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import Status, Verdict
from pytest_robustness.suite.levels import Levels, hypotheses_of_a_case
from pytest_robustness.suite.suite import Suite, Tolerances

#: The alpha of a suite that does not state one.
ALPHA = 0.05


@dataclass(frozen=True)
class Version:
    """Holds a baseline as one commit stored it.

    Attributes:
        step: the number of the commit, from 1; 0 for what there was before the first one shown.
        case: the name of its case then.
        was: the case's name before, when this commit renamed it.
        verdict: what the gate says of it by the version before. None when there is no version before.
        breaks: why it cannot be compared with the version before. None when it can.
    """

    step: int
    case: str
    measurement: Measurement
    verdict: Verdict | None = None
    was: str | None = None
    breaks: str | None = None


@dataclass(frozen=True)
class Removed:
    """Says that a commit deleted a case's baseline."""

    step: int
    case: str


@dataclass(frozen=True)
class Unreadable:
    """Says that a commit stored a baseline that cannot be read, and what is wrong with it."""

    step: int
    case: str
    path: str
    problem: str


Event = Version | Removed | Unreadable


@dataclass(frozen=True)
class Erosion:
    """Holds what the gate says of a case's newest version by the oldest one that it can be compared with."""

    since: int
    verdict: Verdict


def rules_of(suite: Suite | None, attacks: int) -> Callable[[str], Rules]:
    """Return what gives the rules that the versions of a case are judged by: the present ones of the suite.

    Limits of the success rate are left out: they say nothing about a step. Images that went were accepted when the
    version was recorded. Without a suite its defaults are taken, for so many attacks.
    """
    if suite is None:
        level = ALPHA * Levels().cases / max(1, attacks) / hypotheses_of_a_case()
        return lambda _: Rules(Tolerances(), level, accept_removed_images=True)
    pooled = replace(Rules.pooled(suite), accept_removed_images=True)
    return lambda case: replace(pooled, level=suite.case(case).level)


def attacks_at_end(log: Log) -> set[str]:
    """Return the attacks under which the last of the commits has baselines of any model."""
    last = {one.case: one.blob for step in log.steps for one in step.changes if one.case}
    return {CaseId(case).attack for case, blob in last.items() if blob is not None}


class History:
    """Walks through the versions of all cases. At any time it holds two measurements of each case.

    Args:
        log: the commits.
        rules: gives the rules for a case.
    """

    def __init__(self, log: Log, rules: Callable[[str], Rules]) -> None:
        self.log, self.rules = log, rules
        self.lists = Lists(stored=self._list)
        self._blobs: dict[str, str | None] = {}
        self._current: dict[str, Measurement] = {}
        self._first: dict[str, tuple[int, Measurement]] = {}

    @property
    def shown(self) -> Sequence[Step]:
        """The commits that are shown, oldest first; their numbers begin with 1."""
        since = self.log.since
        return [step for step in self.log.steps if since is None or step.after < since]

    def events(self) -> Iterator[Event]:
        """Yield all that the commits did, in their order; before it the versions of ``since``, as of step 0."""
        before = len(self.log.steps) - len(self.shown)
        stored = [one.blob for step in self.log.steps for one in step.changes if one.case and one.blob is not None]
        contents = blobs(self.log.top, stored)
        for place, step in enumerate(self.log.steps):
            if place == before:
                yield from self._start()
            found = list(self._step(max(0, place - before + 1), step, contents))
            if place >= before:
                yield from found
        if before == len(self.log.steps):
            yield from self._start()

    def _start(self) -> Iterator[Event]:
        for case, one in sorted(self._current.items()):
            self._first[case] = 0, one
            yield Version(0, case, one)

    def erosions(self) -> Iterator[tuple[str, Erosion]]:
        """Yield what became of each present case with several versions that can be compared, at the end."""
        for case, one in sorted(self._current.items()):
            since, first = self._first[case]
            if first is not one:
                yield case, Erosion(since, self._judge(one, first))

    def _step(self, number: int, step: Step, contents: Iterator[bytes | None]) -> Iterator[Event]:
        gone = {one.case for one in step.changes if one.case and one.blob is None}
        read = [(one, one.case, next(contents)) for one in step.changes if one.case and one.blob is not None]
        for change, case, content in read:
            if self._blobs.get(case) == change.blob:  # moved with its folder
                continue
            self._blobs[case] = change.blob
            found = _parsed(content, case)
            if isinstance(found, str):
                yield Unreadable(number, case, f"{step.folder}/{change.path}", found)
                continue
            was = self._renamed(found, case, gone)
            if was is not None:
                gone.remove(was)
                self._current[case], self._first[case] = self._current.pop(was), self._first.pop(was)
            yield self._version(number, case, found, was)
        for case in sorted(gone):
            self._blobs.pop(case, None)
            if self._current.pop(case, None) is not None:
                del self._first[case]
                yield Removed(number, case)

    def _version(self, number: int, case: str, found: Measurement, was: str | None) -> Version:
        before = self._current.get(case)
        self._current[case] = found
        if before is None:
            self._first[case] = number, found
            return Version(number, case, found)
        verdict = self._judge(found, before)
        if verdict.status != Status.NOT_COMPARABLE:
            return Version(number, case, found, verdict, was)
        self._first[case] = number, found
        return Version(number, case, found, verdict, was, _why(verdict))

    def _renamed(self, found: Measurement, case: str, gone: Collection[str]) -> str | None:
        """Return the case that a new one was renamed from: deleted by the same commit, with the same evidence.

        The model or the attack keeps its name. Several such cases say nothing: then it is a new case.
        """
        if case in self._current:
            return None
        mine = CaseId(case)
        same = [
            other
            for other in map(CaseId, sorted(gone))
            if other in self._current
            and (other.model == mine.model or other.attack == mine.attack)
            and self._current[other].evidence == found.evidence
            and self._current[other].protocol == found.protocol
        ]
        return str(same[0]) if len(same) == 1 else None

    def _judge(self, current: Measurement, baseline: Measurement) -> Verdict:
        try:
            return judge(current, baseline, self.rules(current.case), self.lists)
        except RobustnessError as error:  # a list of images is missing
            reason = f"{current.case}: not comparable: {error}"
            return Verdict(case=current.case, passed=False, status=Status.NOT_COMPARABLE, reason=reason)

    def _list(self, digest: str) -> ImageList:
        name = list_files.path_of(self.log.top, digest).name
        blob = self.log.lists.get(name)
        content = next(blobs(self.log.top, [blob])) if blob is not None else None
        if content is None:
            raise RobustnessError(f"{self.log.folders[0]}/{name}: no commit has this list of images")
        try:
            found = ImageList.from_json(content.decode())
        except (RobustnessError, UnicodeDecodeError) as error:
            raise RobustnessError(f"{self.log.folders[0]}/{name}: {error}") from None
        if found.digest != digest:
            raise RobustnessError(f"{self.log.folders[0]}/{name}: keys and labels are not those of its name")
        return found


def _why(verdict: Verdict) -> str:
    """Return why a version cannot be compared, without the advice for somebody who could record it anew."""
    return verdict.reason.removeprefix(f"{verdict.case}: ").removeprefix("not comparable, re-record: the baseline's ")


def _parsed(content: bytes | None, case: str) -> Measurement | str:
    """Return the measurement that a stored file holds, or what is wrong with the file."""
    if content is None:
        return "its content is not in this clone: git fetch"
    try:
        found = Measurement.from_json(content.decode())
    except UnicodeDecodeError as error:
        return mistaken_content(content[:BEGINNING]) or f"not UTF-8: {error}"
    except RobustnessError as error:
        return mistaken_content(content[:BEGINNING]) or str(error)
    return found if found.case == case else f"case: this is the baseline of {found.case}, not of {case}"

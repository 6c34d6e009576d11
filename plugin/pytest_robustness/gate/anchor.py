"""Anchors: the baselines and rules of a release, which later updates are compared with.

Each update of a baseline may be too small to fail. An anchor shows when updates add up, when a case has left the suite,
and when the rules have been loosened. ``python -m pytest_robustness anchor SUITE FOLDER`` records one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.files import write_whole
from pytest_robustness.gate.judge import judge_pair
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists, digests, pair
from pytest_robustness.gate.run_verdict import judge_together
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import Status, Verdict
from pytest_robustness.suite.levels import Levels
from pytest_robustness.suite.suite import Suite, Tolerances


class AnchorRules(BaseModel):
    """Holds the rules of a suite as they were when the anchor was recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: Annotated[float, Field(gt=0, lt=1)]
    policy: Literal["significance", "tolerance"]
    inconclusive: Literal["pass", "fail"]
    tolerances: Tolerances
    max_success_rate: dict[str, Annotated[float, Field(ge=0, le=1)] | None]  # of each attack that every run makes
    # anchors of earlier versions do not have these fields: then none of these rules can have been loosened
    levels: Levels | None = None
    slices: list[str] = Field(default=[])
    suspicious: Literal["fail", "warn"] = "warn"

    @classmethod
    def of(cls, suite: Suite) -> Self:
        limits = {name: suite.all_attacks[name].max_success_rate for name in suite.regular_attacks}
        return cls(
            alpha=suite.alpha,
            policy=suite.policy,
            inconclusive=suite.inconclusive,
            tolerances=suite.tolerances,
            max_success_rate=limits,
            levels=suite.levels,
            slices=suite.sliced_by,
            suspicious=suite.suspicious,
        )

    def loosened(self, current: AnchorRules) -> Iterator[str]:
        """Yield a line for each rule that lets more pass now."""
        for name, baseline in self.tolerances:
            if (value := getattr(current.tolerances, name)) > baseline:
                yield f"tolerances.{name} rose from {baseline:g} to {value:g}"
        if current.alpha < self.alpha:
            yield f"alpha fell from {self.alpha:g} to {current.alpha:g}"
        for name, share in self.levels or ():
            if (value := getattr(current.levels, name)) < share:
                yield f"levels.{name} fell from {share:g} to {value:g}"
        if gone := [name for name in self.slices if name not in current.slices]:
            yield f"slices: no longer by {', '.join(gone)}"
        for name, strict in (("policy", "tolerance"), ("inconclusive", "fail"), ("suspicious", "fail")):
            if getattr(self, name) == strict != getattr(current, name):
                yield f"{name} was {strict!r} and is {getattr(current, name)!r}"
        for attack, baseline in self.max_success_rate.items():
            limit = current.max_success_rate.get(attack)
            if attack in current.max_success_rate and baseline is not None and (limit is None or limit > baseline):
                rose = f"rose from {baseline:g} to {'none' if limit is None else limit}"
                yield f"attacks.{attack}.max_success_rate {rose}"


class Anchor:
    """Holds a suite's part of a folder of anchors.

    It lies at ``<root>/<suite>/`` like the suite's baselines, with the rules beside them.
    """

    def __init__(self, root: Path, suite: Suite) -> None:
        self.store, self.suite = BaselineStore(root, suite.name), suite
        self.file = self.store.folder / "rules.json"

    def record(self, baselines: BaselineStore) -> int:
        """Copy the baselines of the suite's cases and the lists of their images, then write the rules.

        Returns the number of baselines. Raises RobustnessError when a case of every run has no baseline, when a list
        that is needed cannot be read, and when the folder has files that are no part of an anchor.
        """
        found = {case.id: baselines.read(case.id) for case in self.suite.cases()}
        regular = set(self.suite.regular_attacks)
        if missing := [case for case, one in found.items() if one is None and CaseId(case).attack in regular]:
            raise RobustnessError(f"{baselines.path(missing[0])}: no baseline: record it, then the anchor")
        held = {case: one for case, one in found.items() if one is not None}
        gone, strange = self.store.others(held)
        strange += [case for case in held if self.store.path(case).exists() and not self.store.is_ours(case)]
        if strange or (self.file.exists() and not self._has_rules()):
            names = ", ".join([f"{case}.json" for case in strange] or [self.file.name])
            raise RobustnessError(
                f"{self.store.folder}: {names}: no part of an anchor; name another folder, or move it"
            )
        lists = [baselines.image_list(digest) for digest in sorted(digests(held.values()))]
        self.store.write((one for one in held.values() if not self.store.holds(one)), lists)
        self.store.remove(gone)
        try:
            write_whole(self.file, AnchorRules.of(self.suite).model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise RobustnessError(f"{self.file}: cannot be written: {error.strerror}") from None
        return len(held)

    def _has_rules(self) -> bool:
        try:
            self.rules()
        except RobustnessError:
            return False
        return True

    def rules(self) -> AnchorRules:
        """Return the recorded rules. Raises RobustnessError when there are none, or their file is damaged."""
        try:
            return AnchorRules.model_validate_json(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            command = f"python -m pytest_robustness anchor {self.suite.path.name} {self.store.root.name}"
            raise RobustnessError(f"{self.file}: no anchor of {self.suite.name}; record it: {command}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RobustnessError(f"{self.file}: cannot be read: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "JSON"
            raise RobustnessError(f"{self.file}: {where}: {first['msg'].lower()}") from None

    def violations(self) -> list[str]:
        """Return a line for everything that became weaker in the suite itself."""
        baseline, current = self.rules(), AnchorRules.of(self.suite)
        dropped, _ = self.store.others({case.id for case in self.suite.cases()})
        on_request = [
            name
            for name in baseline.max_success_rate
            if name in self.suite.all_attacks.keys() - set(current.max_success_rate)
        ]
        found = list(baseline.loosened(current))
        found += [f"no longer in the suite: {', '.join(dropped)}"] if dropped else []
        found += [f"attacks.{name} runs on request only" for name in on_request]
        return [f"since the anchor: {problem}" for problem in found]

    def notices(self) -> list[str]:
        """Return a line for what lowers a level and is no fault: attacks that were added share the level of a case."""
        baseline, current = self.rules(), AnchorRules.of(self.suite)
        if added := [name for name in current.max_success_rate if name not in baseline.max_success_rate]:
            names = ", ".join(added)
            return [
                f"since the anchor: {names} added: {len(current.max_success_rate)} attacks share the level of a case"
            ]
        return []

    def together(
        self, measurements: Mapping[str, Measurement], own: Iterable[ImageList], removed: int = 0
    ) -> list[str]:
        """Return what several cases of a run show together that fails by the anchor, each in one line.

        A case whose file is damaged is left out, because its own verdict says so.
        """
        lists = Lists(own, self.store.image_list)
        found = judge_together(self.suite, measurements, self.store.read, lists, accept_removed_images=removed > 0)
        return [f"since the anchor: {line}" for line in found.failures]

    def check(
        self,
        measurements: Mapping[str, Measurement],
        own: Iterable[ImageList],
        failures: list[str],
        notes: list[str],
        *,
        removed: int = 0,
        candidate: bool = False,
    ) -> None:
        """Add to the failures and notes of a run what the anchor adds, beside its verdicts on cases.

        What the baselines already say is not said twice. Of a ``candidate`` the suite itself is not held against it.
        """
        if not candidate:
            failures += self.violations()
            notes += self.notices()
        known = {f"since the anchor: {line}" for line in failures}
        failures += [line for line in self.together(measurements, own, removed) if line not in known]

    def judge(
        self, current: Measurement, verdict: Verdict, rules: Rules, own: Iterable[ImageList] = (), removed: int = 0
    ) -> Verdict:
        """Return a case's verdict by its baseline, or a failed one when it passes by that and fails by the anchor.

        Args:
            now, verdict, rules: the measurement, its verdict by its baseline, and the rules of that verdict.
            own: the lists of the measurement's images.
            removed: how many images in all were accepted as missing when baselines were updated. Those of them that
                went since the anchor need not be accepted again.

        Raises RobustnessError for a damaged file.
        """
        baseline = self.store.read(current.case)
        if baseline is None or not verdict.passed:
            return verdict
        paired = pair(baseline, current, Lists(own, self.store.image_list))
        accepted = removed - (baseline.provenance.removed_images or 0)
        if 0 < paired.change.removed <= accepted:
            rules = replace(rules, accept_removed_images=True)
        since = judge_pair(paired, current, rules)
        if since.passed:
            return verdict
        reason = f"{current.case}: since the anchor: {since.reason.removeprefix(f'{current.case}: ')}"
        return verdict.model_copy(update={"passed": False, "status": Status.ERODED, "reason": reason})

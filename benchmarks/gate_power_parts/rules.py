"""What the gate says of two sides, by the package's own functions; the rule it had before; and simpler rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from unittest.mock import patch

import numpy as np
from pytest_robustness.gate import joint_level, statistics
from pytest_robustness.gate.flip_distribution import FlipDistribution
from pytest_robustness.gate.joint_level import Directions, Hypothesis, joint_p_values
from pytest_robustness.gate.judge import judge_pair
from pytest_robustness.gate.metrics import ROUNDING, Rules, distance, paired, success_rate
from pytest_robustness.gate.model_verdict import judge_models
from pytest_robustness.gate.pairing import Lists, Pair
from pytest_robustness.gate.pooled import judge_pooled
from pytest_robustness.gate.statements import Statement, statements
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.levels import GROUPS
from pytest_robustness.suite.suite import Suite
from scipy.stats import norm

from gate_power_parts.evidence import NONE, Floats, Ints, Side
from gate_power_parts.sampling import Sample

#: Of a simulated run; the images' keys are the run's own, so that the chance in which flips were drawn averages out.
FEWER_FLIPS = 2**12 - 1
#: Distributions that are kept: runs of one pair of models share many.
KEPT = 200
#: What an alarm can come from, as tables name it. The first five are of a case.
METRICS = ("success rate", "robust accuracy", "distance", "effort", "noise rate")
PARTS = (*METRICS, "time", "clean accuracy", "pooled", "worst case", "slices")
KINDS = {"clean": "clean accuracy", "pooled": "pooled", "worst": "worst case", "slice": "slices"}
#: Of statements about what a case shows.
OWN = ("case", "clean")
INTERVALS = (
    (paired, "relative_change"),
    (paired, "paired_rates"),
    (paired, "images_to_settle"),
    (distance, "log_change"),
    (success_rate, "pooled_change"),
)
#: Metrics that the earlier rule tested.
EARLIER = ("success rate", "effort", "noise rate")


class Kept(FlipDistribution):
    """A distribution that keeps its table."""

    @cached_property
    def _table(self) -> Floats:
        return super().table()

    def table(self) -> Floats:
        return self._table


@contextmanager
def quickly() -> Iterator[None]:
    """The package's rules with fewer flips, without intervals, which decide nothing, and each distribution found once.

    Apart from the number of flips all p values are those of the package.
    """

    @lru_cache(KEPT)
    def kept(sizes: bytes) -> FlipDistribution:
        return Kept(np.frombuffer(sizes, np.int64))

    def distribution(sizes: Ints) -> FlipDistribution:
        return kept(np.sort(sizes).tobytes())

    with ExitStack() as patches:
        patches.enter_context(patch.object(joint_level, "FLIPS", FEWER_FLIPS))
        for module in (joint_level, statistics):
            patches.enter_context(patch.object(module, "FlipDistribution", distribution))
        for module, name in INTERVALS:
            patches.enter_context(patch.object(module, name, lambda *_: None))
        yield


@dataclass(frozen=True)
class Gate:
    """A suite's rules, for a model under the attacks of ``like``, a measurement of each."""

    suite: Suite
    model: str
    like: Mapping[str, Measurement]

    @classmethod
    def of(cls, suite: Suite, like: Mapping[str, Measurement]) -> Gate:
        """The suite with one model and these attacks; a name's part before ``-`` says which attack of it each is."""
        model = next(iter(suite.models))
        attacks = {name: suite.attacks[name.partition("-")[0]] for name in like}
        changed = {
            "models": {model: suite.models[model]},
            "attacks": attacks,
            "ensembles": {},
            "groups": {},
            "variants": [],
        }
        return cls(suite.model_copy(update=changed), model, like)

    def pairs(self, then: Side, now: Side, sample: Sample) -> dict[str, Pair]:
        """By case."""
        found = {}
        for attack, like in self.like.items():
            case = CaseId.of(self.model, attack)
            sides = (one.measurement(like, attack, str(case), *sample.identities) for one in (then, now))
            found[str(case)] = Pair.of_same_images(*sides)
        return found

    def said(self, then: Side, now: Side, sample: Sample) -> Said:
        """All statements about the change, judged together with and without those about slices."""
        pairs = self.pairs(then, now, sample)
        made = statements(self.suite, self.model, list(pairs.values()), Lists(sample.lists))
        few = [one for one in made if one.kind != "slice"]
        without = joint_p_values([Hypothesis(one.name, one.weight, one.differences) for one in few])
        joint = without
        if len(few) < len(made):
            joint = joint_p_values([Hypothesis(one.name, one.weight, one.differences) for one in made])
        return Said(self, pairs, made, joint, without, Lists(sample.lists))


@dataclass(frozen=True)
class Said:
    """The statements about one change and their p values among all of them, with slices and without."""

    gate: Gate
    pairs: Mapping[str, Pair]
    made: Sequence[Statement]
    joint: Mapping[str, Directions]
    without: Mapping[str, Directions]
    lists: Lists

    def alarms(self, *, slices: bool = True, level: float = 1.0) -> set[str]:
        """The statements that fail a full run by their names, at a share ``level`` of alpha; package: ``_decided``."""
        found = self.joint if slices else self.without
        alpha = self.gate.suite.alpha * level
        return {
            one.name
            for one in self.made
            if one.name in found and _is_worse(one) and found[one.name].worse.family <= alpha
        }

    def alone(self) -> set[str]:
        """The statements of cases that fail without a joint verdict."""
        alpha = self.gate.suite.alpha
        made = (one for one in self.made if one.kind == "case" and one.verdict.p_value is not None)
        return {one.name for one in made if _is_worse(one) and (one.verdict.p_value or 0.0) <= alpha * one.weight}

    def parts(self, names: set[str]) -> set[str]:
        """Which of ``PARTS`` these statements are of."""
        return {self.part(one) for one in self.made if one.name in names}

    @staticmethod
    def part(one: Statement) -> str:
        return KINDS.get(one.kind, one.verdict.metric)

    def without_tolerances(self) -> bool:
        """Whether anything is significant for the worse, however small: what the proof of the level is about."""
        return any(one.worse.family <= self.gate.suite.alpha for one in self.joint.values())

    def drifts(self) -> bool:
        """Whether a value left its tolerance, either way, which fails a model known to be unchanged."""
        return any(one.verdict.moved and one.verdict.metric != "time" for one in self.made if one.kind in OWN)

    def check(self) -> None:
        """Raises AssertionError where the package's whole verdict on the model is another.

        Time is left out: where it is effort's twin, a case fails by its effort alone. Of slices the package shows one.
        """
        suite, slices = self.gate.suite, {one.name for one in self.made if one.kind == "slice"}
        judged = {case: judge_pair(pair, pair.now, Rules.of(suite.case(case))) for case, pair in self.pairs.items()}
        alone = {f"{case}: {one.metric}" for case, found in judged.items() for one in found.metrics if one.fails}
        late = {name for name, one in judge_models(suite, self.pairs, self.lists).items() if one.fails}
        mine, theirs = self.alarms(), alone | late

        def compared(names: set[str]) -> set[str]:
            return {name for name in names if name not in slices and not name.endswith(": time")}

        agree = compared(alone) == compared(self.alone()) and compared(theirs) == compared(mine)
        if not agree or bool(theirs) != bool(mine) or bool(theirs & slices) != bool(mine & slices):
            raise AssertionError(f"the package says {sorted(theirs)}, the benchmark {sorted(mine)}")


def _is_worse(one: Statement) -> bool:
    return one.verdict.moved and one.verdict.worse


def earlier_rule(said: Said) -> bool:
    """Whether the gate failed before models had one level.

    Half of alpha was for success pooled over all attacks, also over those under which no image changed. The other half
    was shared by the attacks, and each metric of a case was tested at the case's share; so was clean accuracy.
    """
    return any(_failed_earlier(one, said) for one in said.made)


def _failed_earlier(one: Statement, said: Said) -> bool:
    suite, attacks, p_value = said.gate.suite, len(said.pairs), one.verdict.p_value
    if p_value is None or not one.verdict.worse:
        return False
    if one.kind == "pooled":
        change = sum(one.differences.values()) / (attacks * max(one.verdict.images or 1, 1))
        return p_value <= suite.alpha / 2 and change > suite.tolerances.success_rate + ROUNDING
    tested = one.kind == "clean" or (one.kind == "case" and one.verdict.metric in EARLIER)
    return tested and one.verdict.moved and p_value <= suite.alpha / 2 / attacks


def group_fails(gate: Gate, members: Sequence[tuple[Side, Side]], sample: Sample) -> bool:
    """Whether success pooled over all members and attacks of a group rose, at its share of a member's alpha."""
    rules = replace(Rules.of_group(gate.suite), level=gate.suite.alpha * GROUPS)
    pairs = [pair for member in members for pair in gate.pairs(*member, sample).values()]
    verdict = judge_pooled(pairs, rules)
    return verdict is not None and verdict.fails


def relative_change(before: Ints, after: Ints) -> float:
    """Of the mean over images that have a value in both, without its sign."""
    both = (before != NONE) & (after != NONE)
    return abs(float(after[both].sum()) / float(before[both].sum()) - 1) if before[both].sum() else 0.0


def naive(then: Side, now: Side, tolerance: float) -> bool:
    """A bare tolerance: alarm when a case's success rate rose by more."""
    rises = now.success.sum(1) / max(now.correct.sum(), 1) - then.success.sum(1) / max(then.correct.sum(), 1)
    return bool((rises > tolerance + ROUNDING).any())


def unpaired(then: Side, now: Side, level: float) -> bool:
    """Two proportions of unrelated images: the one-sided z test with pooled variance, for each case."""
    trials = np.array([then.correct.sum(), now.correct.sum()])
    return any(
        proportions(int(before.sum()), int(after.sum()), *trials.tolist()) <= level
        for before, after in zip(then.success, now.success, strict=True)
    )


def proportions(before: int, after: int, trials_before: int, trials_after: int) -> float:
    """One-sided p value that the second rate is higher."""
    rate = (before + after) / (trials_before + trials_after)
    variance = rate * (1 - rate) * (1 / trials_before + 1 / trials_after)
    if variance == 0:
        return 1.0
    return float(norm.sf((after / trials_after - before / trials_before) / np.sqrt(variance)))

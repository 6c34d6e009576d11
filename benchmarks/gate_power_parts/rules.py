"""What the gate says of two sides, on arrays; and what simpler rules would say.

The tolerance is looked at first, and the package's exact test is run only where it decides. ``check`` asks the package
itself, ``judge`` and ``judge_pooled``, and compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pytest_robustness.gate.judge import judge
from pytest_robustness.gate.metrics import ROUNDING, Rules
from pytest_robustness.gate.pairing import Pair
from pytest_robustness.gate.pooled import judge_pooled
from pytest_robustness.gate.statistics import sign_flip
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.suite import Suite
from scipy.stats import norm

from gate_power_parts.evidence import NONE, Ints, Side

#: What an alarm can come from. The first four are judged per case.
METRICS = ("success rate", "effort", "noise rate", "clean accuracy", "pooled")


@dataclass(frozen=True)
class Gate:
    """The suite's rules, for a model of it."""

    suite: Suite
    case: Mapping[str, Rules]
    pooled: Rules
    single_step: frozenset[str]

    @classmethod
    def of(cls, suite: Suite, measurements: Mapping[str, Measurement]) -> Gate:
        """``measurements`` are of any model, by attack: they say which attacks have one step."""
        model = next(iter(suite.models))
        case = {attack: Rules.of(suite.case(f"{model}/{attack}")) for attack in suite.attacks}
        single = frozenset(attack for attack, one in measurements.items() if one.budget == 1)
        return cls(suite, case, Rules.pooled(suite), single)

    def alarms(self, then: Side, now: Side) -> set[str]:
        """The metrics that fail, as ``attack/metric``; ``pooled`` and ``clean accuracy`` stand alone."""
        return set(self._alarms(then, now))

    def _alarms(self, then: Side, now: Side) -> Iterator[str]:
        attempts = (then.correct & now.correct).astype(bool)
        differences = (now.success - then.success)[:, attempts]
        for row, attack in enumerate(then.attacks):
            rules = self.case[attack]
            if fails(differences[row], rules.tolerances.success_rate, rules):
                yield f"{attack}/success rate"
            if attack not in self.single_step and mean_fails(
                then.effort[row], now.effort[row], rules.tolerances.effort, rules
            ):
                yield f"{attack}/effort"
            if mean_fails(then.noise[row], now.noise[row], rules.tolerances.noise_rate, rules):
                yield f"{attack}/noise rate"
        rules = next(iter(self.case.values()))
        if fails(then.unselected - now.unselected, rules.tolerances.clean_accuracy, rules):
            yield "clean accuracy"
        if fails(differences.sum(0), self.pooled.tolerances.success_rate, self.pooled, comparisons=differences.size):
            yield "pooled"

    def drifts(self, then: Side, now: Side) -> bool:
        """Whether any value left its tolerance, either way, which fails a model known to be unchanged."""
        return any(change > tolerance + ROUNDING for change, tolerance in self._changes(then, now))

    def _changes(self, then: Side, now: Side) -> Iterator[tuple[float, float]]:
        tolerances = self.suite.tolerances
        attempts = (then.correct & now.correct).astype(bool)
        for row, attack in enumerate(then.attacks):
            change = (now.success - then.success)[row, attempts].mean() if attempts.any() else 0.0
            yield abs(float(change)), tolerances.success_rate
            if attack not in self.single_step:
                yield relative_change(then.effort[row], now.effort[row]), tolerances.effort
            yield relative_change(then.noise[row], now.noise[row]), tolerances.noise_rate
        if len(then.unselected):
            yield abs(float((now.unselected - then.unselected).mean())), tolerances.clean_accuracy


def relative_change(before: Ints, after: Ints) -> float:
    """Of the mean over images that have a value in both, without its sign."""
    both = (before != NONE) & (after != NONE)
    return abs(float(after[both].sum()) / float(before[both].sum()) - 1) if before[both].sum() else 0.0


def fails(differences: Ints, tolerance: float, rules: Rules, comparisons: int | None = None) -> bool:
    """Whether per-image differences, positive for the worse, are a regression."""
    count = comparisons or len(differences)
    return bool(count) and _fails(int(differences.sum()) / count, differences, tolerance, rules)


def mean_fails(before: Ints, after: Ints, tolerance: float, rules: Rules) -> bool:
    """Whether a mean over the images that have a value in both fell too far."""
    both = (before != NONE) & (after != NONE)
    then, now = before[both], after[both]
    if not len(then) or not then.sum():
        return False
    return _fails(1 - float(now.mean() / then.mean()), then - now, tolerance, rules)


def _fails(worsening: float, differences: Ints, tolerance: float, rules: Rules) -> bool:
    if worsening <= tolerance + ROUNDING:  # whatever the test says
        return False
    outcome = rules.outcome(worsening, tolerance, sign_flip(differences))
    return rules.fails(outcome, worsening)


def metric_of(alarm: str) -> str:
    return alarm.rpartition("/")[2]


def asked(gate: Gate, like: Mapping[str, Measurement], then: Side, now: Side) -> set[str]:
    """The package's own verdict, of measurements."""
    pairs = [
        (then.measurement(like[attack], attack, "then"), now.measurement(like[attack], attack, "now"))
        for attack in then.attacks
    ]
    said = set()
    for attack, (before, after) in zip(then.attacks, pairs, strict=True):
        verdict = judge(after, before, gate.case[attack])
        failing = {metric.metric for metric in verdict.metrics if metric.fails}
        assert verdict.passed == (not failing), verdict.reason
        said |= {metric if metric == "clean accuracy" else f"{attack}/{metric}" for metric in failing}
    pooled = judge_pooled([Pair.of_same_images(*pair) for pair in pairs], gate.pooled)
    return said | ({"pooled"} if pooled and pooled.fails else set())


def check(gate: Gate, like: Mapping[str, Measurement], then: Side, now: Side) -> None:
    """Raises where arrays and package disagree."""
    mine, theirs = gate.alarms(then, now), asked(gate, like, then, now)
    if mine != theirs:
        raise AssertionError(f"the package says {sorted(theirs)}, the arrays {sorted(mine)}")


def naive(then: Side, now: Side, tolerance: float) -> set[str]:
    """A bare tolerance: alarm when a case's success rate rose by more."""
    return {
        attack
        for attack, before, after in zip(then.attacks, then.success, now.success, strict=True)
        if after.sum() / max(now.correct.sum(), 1) - before.sum() / max(then.correct.sum(), 1) > tolerance + ROUNDING
    }


def unpaired(then: Side, now: Side, gate: Gate) -> set[str]:
    """Two proportions of unrelated images: the one-sided z test with pooled variance, for each case."""
    trials = np.array([then.correct.sum(), now.correct.sum()])
    return {
        attack
        for attack, before, after in zip(then.attacks, then.success, now.success, strict=True)
        if proportions(int(before.sum()), int(after.sum()), *trials.tolist()) <= gate.case[attack].level
    }


def proportions(before: int, after: int, trials_before: int, trials_after: int) -> float:
    """One-sided p value that the second rate is higher."""
    rate = (before + after) / (trials_before + trials_after)
    variance = rate * (1 - rate) * (1 / trials_before + 1 / trials_after)
    if variance == 0:
        return 1.0
    return float(norm.sf((after / trials_after - before / trials_before) / np.sqrt(variance)))

"""The rules that evidence is judged by: a suite's tolerances and policy, and the level of a test."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_robustness.records.verdict import Outcome
from pytest_robustness.suite.suite import Case, Suite, Tolerances

#: Allowed rounding error: a change of exactly the tolerance is within it.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Rules:
    """Holds what evidence is judged by: the suite's tolerances and policy, and the level of a test.

    Attributes:
        tolerances: how far each metric may move.
        level: the level of each test.
        tolerance_only: whether a change beyond its tolerance counts, whatever the test says.
        inconclusive_fails: whether a change for the worse that is beyond its tolerance and not significant fails, too.
        max_success_rate: what a success rate may be, whatever it was before. None when it may be anything.
        accept_removed_images: whether images of the baseline may be missing. The others are judged.
        suspicious_fails: whether an improvement that a failed masking check makes doubtful fails.
        clock: whether time is judged by the clock, and not by work.
    """

    tolerances: Tolerances
    level: float
    tolerance_only: bool = False
    inconclusive_fails: bool = False
    max_success_rate: float | None = None
    accept_removed_images: bool = False
    suspicious_fails: bool = True
    clock: bool = False

    @classmethod
    def of(cls, case: Case) -> Rules:
        return cls._of(case.suite, case.level, case.attack.max_success_rate)

    @classmethod
    def pooled(cls, suite: Suite) -> Rules:
        return cls._of(suite, suite.pooled_level, None)

    @classmethod
    def of_group(cls, suite: Suite) -> Rules:
        return cls._of(suite, suite.group_level, None)

    @classmethod
    def _of(cls, suite: Suite, level: float, limit: float | None) -> Rules:
        return cls(
            suite.tolerances,
            level,
            suite.policy == "tolerance",
            suite.inconclusive == "fail",
            limit,
            suspicious_fails=suite.suspicious == "fail",
            clock=suite.time == "clock",
        )

    def outcome(self, worsening: float, tolerance: float, p_value: float) -> Outcome:
        """Return the outcome of a change. The test decides whether a change beyond its tolerance is real.

        ``p_value`` is of the change's own direction.
        """
        if abs(worsening) <= tolerance + ROUNDING:
            return "same"
        if p_value > self.level and not self.tolerance_only:
            return "inconclusive"
        return "regressed" if worsening > 0 else "improved"

    def fails(self, outcome: Outcome, worsening: float) -> bool:
        return outcome == "regressed" or (outcome == "inconclusive" and self.inconclusive_fails and worsening > 0)

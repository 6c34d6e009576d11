"""Rounds of an ensemble: each member attacks the images that the members before it did not fool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pytest_robustness.evaluate.rounds import Outcome, Round, Timed, run_in_order
from pytest_robustness.records.part import Part

#: Takes attempts, (N,) bool, and returns the rounds of a member's attack on them.
PlanMember = Callable[[Tensor], Sequence[Round]]


@dataclass
class Standing:
    """Holds what the members share: the images that no member has fooled yet, (N,) bool, and the work for each."""

    attempts: Tensor
    forwards: Tensor = field(init=False)
    gradients: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.forwards = torch.zeros(len(self.attempts), dtype=torch.int64)
        self.gradients = torch.zeros_like(self.forwards)


class ReusedRound:
    """Stands for a round on some images of a case that was measured before.

    It has the case's evidence for them and their share of its cost.
    """

    def __init__(self, part: Part, attempts: Tensor) -> None:
        evidence, places = part.evidence, attempts.nonzero().squeeze(1)
        some = places.tolist()
        forwards, gradients = (
            torch.tensor([work[i] or 0 for i in some], dtype=torch.int64)
            for work in (evidence.forwards or [], evidence.gradients or [])
        )
        self.outcomes = [
            Outcome(
                places=places,
                success=torch.tensor([bool(evidence.success[i]) for i in some], dtype=torch.bool),
                noise=torch.tensor([_or_nan(evidence.noise[i]) for i in some], dtype=torch.float64),
                forwards=forwards,
                gradients=gradients,
            )
        ]
        timing = part.timing
        share = int(forwards.sum()) / max(1, sum(work or 0 for work in evidence.forwards or []))
        self.attack_seconds = timing.attack_seconds * share
        self.rows, self.gradient_rows, self.padding = (
            round(count * share) for count in (timing.rows, timing.gradient_rows, timing.padding)
        )
        self.units: list[tuple[float, int]] = []

    def before(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def __call__(self) -> None:
        """Do nothing: the images were attacked before."""

    def after(self) -> None:
        """Do nothing: the outcomes are known."""


def _or_nan(value: float | None) -> float:
    return torch.nan if value is None else value


@dataclass(eq=False)
class MemberRound(Timed):
    """Runs one member of an ensemble on the images that are not fooled yet.

    The last member also gives the outcomes of the images that no member fooled.

    Attributes:
        member: the member's number.
        standing: what the members share.
        plan: takes attempts, returns the member's own rounds.
        last: whether no other member follows.
        used: the member's rounds, after ``before``.
    """

    member: int = field(kw_only=True)
    standing: Standing = field(kw_only=True)
    plan: PlanMember = field(kw_only=True)
    last: bool = field(kw_only=True)
    used: Sequence[Round] = ()

    def before(self) -> None:
        self.time_unit(self.unit_before)
        self.used = self.plan(self.standing.attempts)

    def __call__(self) -> None:
        run_in_order(self.used)
        self.attack_seconds = sum(one.attack_seconds for one in self.used)
        self.rows = sum(one.rows for one in self.used)
        self.gradient_rows = sum(one.gradient_rows for one in self.used)
        self.padding = sum(one.padding for one in self.used)

    def after(self) -> None:
        standing = self.standing
        for one in (outcome for round_ in self.used for outcome in round_.outcomes):
            standing.forwards[one.places] += 0 if one.forwards is None else one.forwards
            standing.gradients[one.places] += 0 if one.gradients is None else one.gradients
            fooled = one.places[one.success]
            standing.attempts[fooled] = False
            self._answer(one, one.success)
            if self.last:
                self._answer(one, ~one.success)
        if self.last and not self.used:  # no image was left
            self.finished(0)
        self.time_unit(self.unit_after)

    def _answer(self, one: Outcome, which: Tensor) -> None:
        """Add an outcome for some images, with the work of all members so far."""
        places = one.places[which]
        if not len(places):
            return
        self.finished(len(places))
        self.outcomes.append(
            Outcome(
                places=places,
                success=one.success[which],
                noise=one.noise[which],
                forwards=self.standing.forwards[places],
                gradients=self.standing.gradients[places],
                fooled_by=torch.where(one.success[which], self.member, -1),
            )
        )

"""The plan of a case: which rounds it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.batch_rounds import BatchRound
from pytest_robustness.evaluate.described import parameters_of
from pytest_robustness.evaluate.ensemble import MemberRound, ReusedRound, Standing
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.rounds import Look, Round, RunContext
from pytest_robustness.evaluate.row_rounds import RowRound, active_batch
from pytest_robustness.evaluate.runtime.clock import clock
from pytest_robustness.records.part import Part
from pytest_robustness.suite.suite import Case

Finished = Callable[[int], None]


@dataclass(frozen=True)
class Subject:
    """Holds a model that is ready to be attacked, and the images.

    Attributes:
        row_floor: rows of the smallest batch that is bit-equal to a full one.
        look: is shown what the attack made of the images; None when that is not needed.
        known: returns a case of the model and these images that this session has measured, or None when it has not.
    """

    classifier: Classifier
    images: ImageSet
    row_floor: int
    look: Look | None = None
    known: Callable[[Case], Part | None] = lambda case: None


def plan(case: Case, subject: Subject, attempts: Tensor, finished: Finished) -> list[Round]:
    """Return the rounds in which a case's attack goes through its attempts, (N,) bool.

    There are no rounds when there are no attempts.
    """
    if not bool(attempts.any()):
        return []
    judged_by_clock = case.suite.time == "clock"  # else units would be gradients for no use
    if case.ensemble is None:
        return list(_attack(case, subject, attempts, finished, timed=judged_by_clock))
    standing = Standing(attempts.clone())
    units = _first(attempts, case.batch_size) if judged_by_clock else ()
    members = case.members()
    return [
        MemberRound(
            context_of(member, subject),
            finished,
            unit_before=() if number else units,
            member=number,
            standing=standing,
            plan=_planning(member, subject),
            last=number == len(members) - 1,
        )
        for number, member in enumerate(members)
    ]


def _planning(member: Case, subject: Subject) -> Callable[[Tensor], Sequence[Round]]:
    def attack(standing: Tensor) -> list[Round]:
        part = subject.known(member) if subject.look is None else None
        if part is not None:
            return [ReusedRound(part, standing)] if bool(standing.any()) else []
        return list(_attack(member, subject, standing, lambda done: None, timed=False))

    return attack


def _attack(case: Case, subject: Subject, attempts: Tensor, finished: Finished, *, timed: bool) -> Iterator[Round]:
    """Yield the rounds of one attack on its attempts, with three gradient units beside them if they are ``timed``.

    Each unit costs as much as a step of the attack. Units are timed before the first round, in the middle and at the
    end.
    """
    context = context_of(case, subject)
    places = attempts.nonzero().squeeze(1).tolist()
    if not places:
        return
    if context.resolved.by_row:
        batch = active_batch(context, places)
        timed = timed and batch.gradient  # a unit is no measure of forwards alone
        units = places[: context.batch_size]
        for first, chosen in _chosen(-(-len(places) // context.batch_size), timed=timed):
            yield RowRound(context, finished, units if first else (), units if chosen else (), batch=batch)
        return
    batches = [part for part in _batches(len(attempts), context.batch_size) if bool(attempts[part].any())]
    for part, (first, chosen) in zip(batches, _chosen(len(batches), timed=timed), strict=True):
        whole = range(len(attempts))[part]
        yield BatchRound(
            context,
            finished,
            whole if first else (),
            whole if chosen else (),
            batch=part,
            correct=attempts[part],
        )


def _chosen(count: int, *, timed: bool) -> list[tuple[bool, bool]]:
    """Return for each of ``count`` rounds whether a unit is timed before it, and whether one is timed after it."""
    return [(timed and number == 0, timed and number in (count // 2, count - 1)) for number in range(count)]


def context_of(case: Case, subject: Subject) -> RunContext:
    """Return the context that the rounds of a case share. The case must not be an ensemble."""
    resolved = resolve(case)
    return RunContext(
        resolved=resolved,
        parameters=parameters_of(case, resolved),
        classifier=subject.classifier,
        images=subject.images,
        clock=clock(subject.classifier.device),
        row_floor=subject.row_floor,
        batch_size=case.batch_size,
        seed=case.suite.seed,
        look=subject.look,
    )


def _first(attempts: Tensor, count: int) -> list[int]:
    return attempts.nonzero().squeeze(1)[:count].tolist()


def _batches(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))

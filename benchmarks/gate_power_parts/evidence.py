"""A model's evidence under all attacks as arrays, to be drawn from, exchanged and turned back into measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pytest_robustness.records.evidence import NOISE_DIGITS, Evidence
from pytest_robustness.records.image_list import ImageSetId
from pytest_robustness.records.measurement import Measurement

#: In place of a value that an image does not have.
NONE = -1
#: Noise rates as whole numbers, as the gate judges them.
NOISE_UNITS = 10**NOISE_DIGITS
#: Arrays of one row an attack.
VALUES = ("success", "effort", "noise", "distance", "forwards", "gradients")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Generator = np.random.Generator


@dataclass(frozen=True)
class Side:
    """One model: per-image outcomes, attacks in the order of ``attacks``.

    ``correct`` is (N,), ``unselected`` is (M,), and the arrays of ``VALUES`` are (A, N), with ``NONE`` for an image
    that has no such value. An attack that never has one has ``NONE`` throughout.
    """

    attacks: tuple[str, ...]
    correct: Ints
    unselected: Ints
    success: Ints
    effort: Ints
    noise: Ints
    distance: Floats
    forwards: Ints
    gradients: Ints

    @classmethod
    def of(cls, measurements: Mapping[str, Measurement]) -> Side:
        """From a model's measurements, by attack."""
        evidence = [one.evidence for one in measurements.values()]
        assert all(one.correct == evidence[0].correct for one in evidence), "clean outcomes depend on the attack"
        count = len(evidence[0].correct)
        return cls(
            attacks=tuple(measurements),
            correct=np.array(evidence[0].correct),
            unselected=np.array(evidence[0].unselected_correct or []),
            success=np.array([one.success for one in evidence]),
            effort=np.array([_filled(one.effort, 1, count) for one in evidence]),
            noise=np.array([_filled(one.noise, NOISE_UNITS, count) for one in evidence]),
            distance=np.array(
                [[NONE if value is None else value for value in one.distance or [None] * count] for one in evidence],
                dtype=float,
            ),
            forwards=np.array([_filled(one.forwards, 1, count) for one in evidence]),
            gradients=np.array([_filled(one.gradients, 1, count) for one in evidence]),
        )

    def take(self, images: Ints, unselected: Ints) -> Side:
        """The images of these positions, repeated as often as they are named."""
        values = {name: getattr(self, name)[..., images] for name in VALUES}
        return replace(self, correct=self.correct[images], unselected=self.unselected[unselected], **values)

    def mixed(self, other: Side, exchange: NDArray[np.bool_], blind: NDArray[np.bool_]) -> Side:
        """This one, with the other's results of the images (N,) and of the unselected images (M,) that are marked."""
        values = {name: np.where(exchange, getattr(other, name), getattr(self, name)) for name in (*VALUES, "correct")}
        return replace(self, unselected=np.where(blind, other.unselected, self.unselected), **values)

    def measurement(
        self, like: Measurement, attack: str, case: str, images: ImageSetId, unselected: ImageSetId
    ) -> Measurement:
        """One attack's measurement, as if it had been made on these images."""
        row = self.attacks.index(attack)
        known = like.evidence
        evidence = Evidence.model_construct(  # unchecked: these are parts of evidence that was checked
            correct=self.correct.tolist(),
            success=self.success[row].tolist(),
            effort=known.effort and _emptied(self.effort[row], 1),
            noise=_emptied(self.noise[row], NOISE_UNITS),
            distance=known.distance and _emptied(self.distance[row], 1),
            forwards=known.forwards and _emptied(self.forwards[row], 1),
            gradients=known.gradients and _emptied(self.gradients[row], 1),
            unselected_correct=known.unselected_correct and self.unselected.tolist(),
        )
        blind = unselected if like.unselected is not None else None
        changed = {"case": case, "evidence": evidence, "images": images, "unselected": blind}
        return like.model_copy(update=changed)


def _filled(values: Sequence[float | None] | None, units: int, count: int) -> list[int]:
    return [NONE if value is None else round(value * units) for value in values or [None] * count]


def _emptied(values: Ints | Floats, units: int) -> list[int | float | None]:
    """The opposite of ``_filled``: whole numbers stay whole."""
    return [None if value == NONE else value if units == 1 else value / units for value in values.tolist()]


def beside(sides: Sequence[Side]) -> Side:
    """Several models' evidence as that of one model under more attacks; they are right about the same images."""
    assert all((one.correct == sides[0].correct).all() for one in sides), "models are right about different images"
    names = tuple(f"{attack}-{i}" for i, one in enumerate(sides) for attack in one.attacks)
    values = {name: np.concatenate([getattr(one, name) for one in sides]) for name in VALUES}
    return replace(sides[0], attacks=names, **values)


def only(side: Side, attacks: Sequence[str]) -> Side:
    """Some of the attacks."""
    rows = [side.attacks.index(attack) for attack in attacks]
    return replace(side, attacks=tuple(attacks), **{name: getattr(side, name)[rows] for name in VALUES})


def with_certain(side: Side, like: str, count: int) -> Side:
    """With ``count`` more attacks of the kind of ``like``, which fool every image at once in both runs."""
    images = len(side.correct)
    constant = {"success": 1, "effort": 1, "noise": 5000, "distance": NONE, "forwards": 2, "gradients": 1}
    more = {name: np.concatenate([getattr(side, name), np.full((count, images), constant[name])]) for name in VALUES}
    return replace(side, attacks=(*side.attacks, *(f"{like}-always{i}" for i in range(count))), **more)

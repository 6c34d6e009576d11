"""A model's evidence under all attacks as arrays, to be subsampled, permuted and turned back into measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pytest_robustness.records.evidence import NOISE_DIGITS, Evidence
from pytest_robustness.records.measurement import Measurement

#: In place of an effort or noise rate that an image does not have.
NONE = -1
#: Noise rates as whole numbers, as the gate judges them.
NOISE_UNITS = 10**NOISE_DIGITS

Ints = NDArray[np.int64]
Generator = np.random.Generator


@dataclass(frozen=True)
class Side:
    """One model: per-image outcomes, attacks in the order of ``attacks``.

    ``correct`` is (N,), ``success``, ``effort`` and ``noise`` are (A, N), ``unselected`` is (M,).
    """

    attacks: tuple[str, ...]
    correct: Ints
    success: Ints
    effort: Ints
    noise: Ints
    unselected: Ints

    @classmethod
    def of(cls, measurements: Mapping[str, Measurement]) -> Side:
        """From a model's measurements, by attack."""
        evidence = [one.evidence for one in measurements.values()]
        assert all(one.correct == evidence[0].correct for one in evidence), "clean outcomes depend on the attack"
        return cls(
            attacks=tuple(measurements),
            correct=np.array(evidence[0].correct),
            success=np.array([one.success for one in evidence]),
            effort=np.array([_filled(one.effort or [None] * len(one.correct), 1) for one in evidence]),
            noise=np.array([_filled(one.noise, NOISE_UNITS) for one in evidence]),
            unselected=np.array(evidence[0].unselected_correct or []),
        )

    def take(self, images: Ints, unselected: Ints) -> Side:
        """The images of these positions, repeated as often as they are named."""
        arrays = (values[..., images] for values in (self.correct, self.success, self.effort, self.noise))
        return Side(self.attacks, *arrays, self.unselected[unselected])

    def measurement(self, like: Measurement, attack: str, weights_digest: str) -> Measurement:
        """One attack's measurement, as if it had been made on these images, with a model of its own."""
        row = self.attacks.index(attack)
        effort = None if like.evidence.effort is None else _emptied(self.effort[row], 1)
        evidence = Evidence(
            correct=self.correct.tolist(),
            success=self.success[row].tolist(),
            effort=effort,
            noise=_emptied(self.noise[row], NOISE_UNITS),
            unselected_correct=self.unselected.tolist() if like.evidence.unselected_correct is not None else None,
        )
        counts = {"images": len(self.correct), "unselected": len(self.unselected)}
        sets = {
            name: getattr(like, name).model_copy(update={"count": count})
            for name, count in counts.items()
            if getattr(like, name) is not None
        }
        return like.model_copy(
            update={
                **sets,
                "evidence": evidence,
                "provenance": like.provenance.model_copy(update={"weights_digest": weights_digest}),
            }
        )


def _filled(values: Sequence[float | None], units: int) -> list[int]:
    return [NONE if value is None else round(value * units) for value in values]


def _emptied(values: Ints, units: int) -> list[int | float | None]:
    """The opposite of ``_filled``: whole numbers stay whole."""
    return [None if value == NONE else value if units == 1 else value / units for value in values.tolist()]


def swapped(one: Side, other: Side, rng: Generator) -> tuple[Side, Side]:
    """Both sides of each image exchanged with probability 1/2: the null hypothesis, exactly.

    An image's attacks and metrics go together, so what is correlated stays so.
    """
    exchange = rng.random(len(one.correct)) < 0.5
    blind = rng.random(len(one.unselected)) < 0.5

    def mixed(mine: Side, theirs: Side) -> Side:
        names = ("correct", "success", "effort", "noise")
        arrays = (np.where(exchange, getattr(theirs, name), getattr(mine, name)) for name in names)
        return Side(mine.attacks, *arrays, np.where(blind, theirs.unselected, mine.unselected))

    return mixed(one, other), mixed(other, one)


def sampled(one: Side, other: Side, count: int, rng: Generator) -> tuple[Side, Side]:
    """The same ``count`` images of both sides and as many unselected ones, bootstrapped where there are too few."""
    return _both(one, other, lambda available: rng.choice(available, count, replace=count > available))


def bootstrapped(one: Side, other: Side, count: int, rng: Generator) -> tuple[Side, Side]:
    """The same ``count`` images of both sides and as many unselected ones, drawn with replacement."""
    return _both(one, other, lambda available: rng.integers(available, size=count))


def _both(one: Side, other: Side, draw: Callable[[int], Ints]) -> tuple[Side, Side]:
    images = draw(len(one.correct))
    blind = draw(len(one.unselected)) if len(one.unselected) else np.zeros(0, dtype=np.int64)
    return one.take(images, blind), other.take(images, blind)

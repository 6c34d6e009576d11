"""The kinds of attacks there are in libraries, as specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec, Budget, Norm

ALL: tuple[Norm, ...] = ("inf", "2", "1")
#: Groups of parameters of which a suite has to give one.
EPS, NORM = ("eps",), ("norm",)


def watched(norm: Norm, budget: Budget, *required: tuple[str, ...], norms: tuple[Norm, ...] = ()) -> AttackSpec:
    """An attack in a ball each of whose forwards is an iterate, a start or the clean image, with gradients."""
    return AttackSpec(
        "",
        forwards="candidates",
        norm=norm,
        stops=("first-success", "full"),
        budget=budget,
        norms=norms,
        required=(EPS, *required),
    )


def counted(norm: Norm, *required: tuple[str, ...], norms: tuple[Norm, ...] = ()) -> AttackSpec:
    """An attack in a ball some of whose forwards are no candidates: beyond the ball, of other sizes, of some rows."""
    return AttackSpec("", norm=norm, norms=norms, required=(EPS, *required))


def smallest(distance: Norm | None = None, *required: tuple[str, ...], norms: tuple[Norm, ...] = ()) -> AttackSpec:
    """An attack without a ball: it looks for the smallest perturbation in a norm, or for any."""
    return AttackSpec("", distance=distance, norms=norms, required=required)


def one(parameters: Mapping[str, Any]) -> int:
    """The budget of a single gradient."""
    return 1

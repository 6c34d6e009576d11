"""Specs of the kinds of attacks that libraries have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec, Budget, Norm

ALL: tuple[Norm, ...] = ("inf", "2", "1")
#: Groups of parameters of which a suite has to give one.
EPS, NORM = ("eps",), ("norm",)


def watched(norm: Norm, budget: Budget, *required: tuple[str, ...], norms: tuple[Norm, ...] = ()) -> AttackSpec:
    """Return the spec of a gradient attack in a ball whose every forward is an iterate, a start or the clean image."""
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
    """Return the spec of an attack in a ball some of whose forwards are no candidates.

    Such forwards are outside of the ball, of other sizes or of some rows only.
    """
    return AttackSpec("", norm=norm, norms=norms, required=(EPS, *required))


def smallest(distance: Norm | None = None, *required: tuple[str, ...], norms: tuple[Norm, ...] = ()) -> AttackSpec:
    """Return the spec of an attack without a ball, which looks for the smallest perturbation in a norm, or for any."""
    return AttackSpec("", distance=distance, norms=norms, required=required)


def one(parameters: Mapping[str, Any]) -> int:
    """Return the budget of an attack that takes a single gradient."""
    return 1

"""The specs of this package's own attacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec, Budget, Norm

#: The stopping rules of an attack in a ball that treats each image for itself.
IN_BALL = ("first-success", "full")


def steps(parameters: Mapping[str, Any]) -> int:
    """Return the number of gradient evaluations of an attack that makes one a step, over all its restarts."""
    return int(parameters["steps"]) * int(parameters.get("restarts", 1))


def _one(parameters: Mapping[str, Any]) -> int:
    return 1


def _apgd(parameters: Mapping[str, Any]) -> int:
    """Return Auto-PGD's number of gradient evaluations.

    With targets there is one run for each, and each run has one more evaluation, at its start or its last iterate.
    """
    runs = int(parameters["targets"]) if parameters["loss"] == "targeted" else 0
    per_restart = runs * (int(parameters["steps"]) + 1) if runs else int(parameters["steps"])
    return per_restart * int(parameters["restarts"])


def _in_ball(file: str, name: str, budget: Budget | None, *parameters: str, norms: tuple[Norm, ...] = ()) -> AttackSpec:
    return AttackSpec(
        f"pytest_robustness.evaluate.attacks.{file}:{name}",
        ("eps", *parameters),
        "candidates",
        "inf",
        IN_BALL,
        budget,
        name=name,
        norms=norms,
        by_row=True,
    )


def _smallest(
    file: str, name: str, stops: tuple[str, ...], *parameters: str, distance: Norm = "2", norms: tuple[Norm, ...] = ()
) -> AttackSpec:
    return AttackSpec(
        f"pytest_robustness.evaluate.attacks.{file}:{name}",
        (*parameters, "eps"),
        "candidates",
        stops=stops,
        budget=steps,
        name=name,
        norms=norms,
        distance=distance,
        by_row=True,
    )


_ITERATED = ("alpha", "steps")

CORE: Mapping[str, AttackSpec] = {
    "FGSM": _in_ball("fgsm", "FGSM", _one, "loss"),
    "BIM": _in_ball("bim", "BIM", steps, *_ITERATED, "loss"),
    "MIFGSM": _in_ball("mifgsm", "MIFGSM", steps, *_ITERATED, "decay", "loss"),
    "PGD": _in_ball("pgd", "PGD", steps, *_ITERATED, "norm", "random_start", "restarts", "loss", norms=("inf", "2")),
    "APGD": _in_ball("apgd", "APGD", _apgd, "norm", "steps", "restarts", "loss", "rho", "targets", norms=("inf", "2")),
    "CW": _smallest("cw", "CW", ("patience", "full"), "c", "kappa", "steps", "lr", "patience"),
    "DDN": _smallest("ddn", "DDN", ("full",), "steps", "init", "gamma", "loss"),
    "FMN": _smallest("fmn", "FMN", ("full",), "norm", "steps", "alpha", "gamma", distance="inf", norms=("inf", "2")),
    "Square": _in_ball("square", "Square", None, "norm", "queries", "p_init", norms=("inf", "2")),
}
#: Other spellings of these names.
ALIASES: Mapping[str, str] = {"MI-FGSM": "MIFGSM"}

"""Attacks of adv-lib: ``adv_lib:fmn``.

Source: Rony and Ben Ayed, "Adversarial Library", Zenodo, 2022; version 0.2.8.

Its Greek parameters are written out: ``alpha_init``, ``gamma``, ``eps``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.libraries.base import AttackLibrary, Batch
from pytest_robustness.evaluate.attacks.libraries.specs import ALL, NORM, counted, smallest, watched

STEP = ("relative_step_size", "absolute_step_size")
#: Parameters that are a norm under another name, and one called eps that is no radius of a ball.
RENAMED = {("alma", "distance"): "norm", ("tr", "p"): "norm", ("tr", "eps"): "region"}


def _pgd(parameters: Mapping[str, Any]) -> int | None:
    """Return the budget of PGD. Returns None with several restarts, because later ones attack some rows only."""
    return int(parameters["steps"]) if parameters["restarts"] == 1 else None


def _apgd(parameters: Mapping[str, Any]) -> int | None:
    """Return the budget of APGD, which has one more evaluation at its start.

    Returns None with several restarts, with ``use_large_reps``, and with ``best_loss``, with which it always takes 100
    steps.
    """
    once = parameters["n_restarts"] == 1 and not parameters["use_large_reps"] and not parameters["best_loss"]
    return (int(parameters["n_iter"]) + 1) * int(parameters["eot_iter"]) if once else None


SPECS: Mapping[str, AttackSpec] = {
    "pgd_linf": watched("inf", _pgd, STEP),
    "apgd": watched("inf", _apgd, NORM, norms=ALL),
    "apgd_targeted": counted("inf", NORM, norms=ALL),
    "alma": smallest("2", norms=("2", "1")),
    "carlini_wagner_l2": smallest("2"),
    "carlini_wagner_linf": smallest("inf"),
    "ddn": smallest("2"),
    "df": smallest("2", norms=("inf", "2")),
    "fab": smallest("2", NORM, norms=ALL),
    "fga": smallest(),
    "fmn": smallest("2", NORM, norms=ALL),
    "pdgd": smallest("2"),
    "pdpgd": smallest("2", NORM, norms=ALL),
    "perc_al": smallest(),
    "sdf": smallest("2"),
    "sigma_zero": smallest(),
    "tr": smallest("2", norms=("inf", "2")),
    "vfga": smallest(),
}


class AdvLib(AttackLibrary):
    """Calls adv-lib's attacks, which are functions of a model, images, labels and parameters."""

    name, distribution, extra = "adv_lib", "adv-lib", "adv-lib"
    hidden = frozenset({"callback", "penalty", "return_targets", "return_unsuccessful", "starting_points"})
    specs = SPECS

    def find(self, name: str) -> Callable[..., Any] | None:
        found = getattr(self.module(".attacks"), name, None)
        return found if isinstance(found, FunctionType) else None

    def first(self, name: str) -> int:
        return 3

    def missing(self, error: ImportError) -> str:
        if error.name == "visdom":
            return "adv_lib imports visdom: pip install visdom"
        return super().missing(error)

    def suite_name(self, name: str, parameter: str) -> str:
        renamed = RENAMED.get((name, parameter))
        return renamed or "".join(_latin(letter) for letter in parameter)

    def norm(self, name: str, norm: str) -> Any:
        return f"l{norm}" if name == "alma" else float(norm)

    def run(self, name: str, batch: Batch, parameters: Mapping[str, Any], eps: float | None) -> Any:
        attack = getattr(self.module(".attacks"), name)
        return attack(batch.model, batch.images, batch.labels, **parameters)


def _latin(letter: str) -> str:
    """Return a letter, or a Greek letter's name. Epsilon becomes eps, the name of a radius everywhere else."""
    if letter.isascii():
        return letter
    word = unicodedata.name(letter).rpartition(" ")[2].lower()
    return "eps" if word == "epsilon" else word


LIBRARY = AdvLib()

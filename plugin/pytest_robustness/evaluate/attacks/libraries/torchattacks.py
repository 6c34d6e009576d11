"""Attacks of torchattacks: ``torchattacks:PGD``.

Source: Kim, "Torchattacks: A PyTorch Repository for Adversarial Attacks", 2020; version 3.5.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.libraries.base import AttackLibrary, Batch
from pytest_robustness.evaluate.attacks.libraries.specs import counted, one, smallest, watched

ALPHA = ("alpha",)


def _steps(parameters: Mapping[str, Any]) -> int:
    return int(parameters["steps"]) * int(parameters.get("eot_iter", 1))


def _apgd(parameters: Mapping[str, Any]) -> int | None:
    """Return the budget of APGD, which has one more step's evaluations at its start.

    Returns None with several restarts, because later ones attack some rows only.
    """
    gradients = (int(parameters["steps"]) + 1) * int(parameters["eot_iter"])
    return gradients if parameters["n_restarts"] == 1 else None


SPECS: Mapping[str, AttackSpec] = {
    "FGSM": watched("inf", one),
    "FFGSM": watched("inf", one, ALPHA),
    "BIM": watched("inf", _steps, ALPHA),
    "PGD": watched("inf", _steps, ALPHA),
    "EOTPGD": watched("inf", _steps, ALPHA),
    "RFGSM": watched("inf", _steps, ALPHA),
    "TPGD": watched("inf", _steps, ALPHA),
    "UPGD": watched("inf", _steps, ALPHA),
    "MIFGSM": watched("inf", _steps, ALPHA),
    "PGDL2": watched("2", _steps, ALPHA),
    "APGD": watched("inf", _apgd, norms=("inf", "2")),
    "APGDT": counted("inf", norms=("inf", "2")),
    "DIFGSM": counted("inf", ALPHA),
    "TIFGSM": counted("inf", ALPHA),
    "NIFGSM": counted("inf", ALPHA),
    "SINIFGSM": counted("inf", ALPHA),
    "VMIFGSM": counted("inf", ALPHA),
    "VNIFGSM": counted("inf", ALPHA),
    "Jitter": counted("inf", ALPHA),
    "PGDRS": counted("inf", ALPHA),
    "PGDRSL2": counted("2", ALPHA),
    "PIFGSM": counted("inf"),
    "PIFGSMPP": counted("inf"),
    "SPSA": counted("inf"),
    "Square": counted("inf", norms=("inf", "2")),
    "FAB": counted("inf", norms=("inf", "2")),
    "AutoAttack": counted("inf", norms=("inf", "2")),
    "CW": smallest("2"),
    "DeepFool": smallest("2"),
    "EADEN": smallest("1"),
    "EADL1": smallest("1"),
    "GN": smallest(),
    "JSMA": smallest(),
    "OnePixel": smallest(),
    "Pixle": smallest(),
    "SparseFool": smallest(),
}


class Torchattacks(AttackLibrary):
    """Calls torchattacks' attacks, classes that take a model and whose objects are called with images and labels."""

    name, distribution, extra = "torchattacks", "torchattacks", "torchattacks"
    specs = SPECS

    def find(self, name: str) -> Callable[..., Any] | None:
        found = getattr(self.module(), name, None)
        return found if isinstance(found, type) else None

    def suite_name(self, name: str, parameter: str) -> str:
        return {"max_epsilon": "eps"}.get(parameter, parameter)

    def run(self, name: str, batch: Batch, parameters: Mapping[str, Any], eps: float | None) -> Any:
        attack = getattr(self.module(), name)(batch.model, **parameters)
        attack.set_device(batch.images.device)  # else it takes that of a parameter, and a model may have none
        return attack(batch.images, batch.labels)


LIBRARY = Torchattacks()

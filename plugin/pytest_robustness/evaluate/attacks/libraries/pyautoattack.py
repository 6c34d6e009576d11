"""AutoAttack and its members: ``pyautoattack:apgd-ce``, ``pyautoattack:standard``.

Source: Croce and Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free
Attacks", ICML 2020; pyautoattack 0.2.0, which is the authors' code under an API of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.libraries.base import AttackLibrary, Batch
from pytest_robustness.evaluate.attacks.libraries.specs import ALL, counted, watched

#: Each member's class, and the parameters that make it that member, as in the standard set.
MEMBERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "apgd-ce": ("autopgd_base:APGDAttack", {"loss": "ce"}),
    "apgd-dlr": ("autopgd_base:APGDAttack", {"loss": "dlr"}),
    "apgd-t": ("autopgd_base:APGDAttack_targeted", {}),
    "fab": ("fab_pt:FABAttack_PT", {"targeted": False}),
    "fab-t": ("fab_pt:FABAttack_PT", {"targeted": True}),
    "square": ("square:SquareAttack", {"resc_schedule": False}),
}
#: Sets of several members, each of which attacks the images that those before it did not fool.
SETS = ("standard", "plus", "rand")


def _apgd(parameters: Mapping[str, Any]) -> int | None:
    """Return the budget of APGD, which has one more evaluation at its start.

    Returns None with several restarts, because later ones attack some rows only, and with ``use_largereps``.
    """
    once = parameters["n_restarts"] == 1 and not parameters["use_largereps"]
    return (int(parameters["n_iter"]) + 1) * int(parameters["eot_iter"]) if once else None


SPECS: Mapping[str, AttackSpec] = {
    "apgd-ce": watched("inf", _apgd, norms=ALL),
    "apgd-dlr": watched("inf", _apgd, norms=ALL),
    **{name: counted("inf", norms=ALL) for name in ("apgd-t", "fab", "fab-t", "square", *SETS)},
}


class PyAutoAttack(AttackLibrary):
    """Calls AutoAttack's members through their own classes, and its sets through AutoAttack itself.

    A member is not run through AutoAttack, which first makes eight forwards of clean images to check the model and
    traces the interpreter meanwhile.
    """

    name, distribution, extra = "pyautoattack", "pyautoattack", "pyautoattack"
    #: The last five are set here: they make a member what it is, and its seed comes from the suite's.
    hidden = frozenset(
        {"is_tf_model", "logger", "loss_fn", "topk", "version", "attacks", "loss", "resc_schedule", "seed"}
    )
    specs = SPECS

    def find(self, name: str) -> Callable[..., Any] | None:
        if name in SETS:
            return self.module().AutoAttack  # type: ignore[no-any-return]
        module, _, attack = MEMBERS.get(name, ("", {}))[0].partition(":")
        return getattr(self.module(f".{module}"), attack) if module else None

    def run(self, name: str, batch: Batch, parameters: Mapping[str, Any], eps: float | None) -> Any:
        chosen = {**parameters, "seed": batch.seed()}
        if name in SETS:
            return self._set(name, batch, chosen)
        attack = self.find(name)
        assert attack is not None
        targets = self._signature(name).get("n_target_classes")
        if targets is not None:
            chosen["n_target_classes"] = min(chosen.get("n_target_classes", targets.default), batch.classes - 1)
        return attack(batch.model, **chosen | MEMBERS[name][1]).perturb(batch.images, batch.labels)

    def _set(self, name: str, batch: Batch, parameters: Mapping[str, Any]) -> Any:
        auto = self.module().AutoAttack(batch.model, version=name, **parameters)
        auto.verbose = False
        for member in (auto.apgd_targeted, auto.fab):
            member.n_target_classes = min(member.n_target_classes, batch.classes - 1)
        tracing = sys.gettrace()  # AutoAttack sets its own and then removes whatever is set
        try:
            adversarial, _ = auto.run_standard_evaluation(batch.images, batch.labels, batch_size=len(batch.images))
        finally:
            sys.settrace(tracing)
        return adversarial


LIBRARY = PyAutoAttack()

"""Attacks of foolbox: ``foolbox:LinfPGD``.

Source: Rauber, Zimmermann, Bethge and Brendel, "Foolbox Native", Journal of Open Source Software, 2020; version 3.3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec, Norm
from pytest_robustness.evaluate.attacks.libraries.base import AttackLibrary, Batch
from pytest_robustness.evaluate.attacks.libraries.specs import counted, one, smallest, watched

STEP = ("rel_stepsize", "abs_stepsize")
PREFIXES: Mapping[str, Norm] = {"Linf": "inf", "L2": "2", "L1": "1"}
ITERATED = (
    "BasicIterativeAttack",
    "ProjectedGradientDescentAttack",
    "PGD",
    "AdamBasicIterativeAttack",
    "AdamProjectedGradientDescentAttack",
    "AdamPGD",
    "MomentumIterativeFastGradientMethod",
)


def _steps(parameters: Mapping[str, Any]) -> int:
    return int(parameters["steps"])


SPECS: Mapping[str, AttackSpec] = {
    **{f"{prefix}{name}": watched(norm, _steps, STEP) for prefix, norm in PREFIXES.items() for name in ITERATED},
    **{name: watched("inf", _steps, STEP) for name in ("PGD", "AdamPGD", "MIFGSM")},
    **{f"{prefix}FastGradientAttack": watched(norm, one) for prefix, norm in PREFIXES.items()},
    "FGSM": watched("inf", one),
    "FGM": watched("2", one),
    "SparseL1DescentAttack": counted("1", STEP),  # its iterates leave the ball, by up to a hundredth of the radius
    "VirtualAdversarialAttack": counted("2"),
    "L2ContrastReductionAttack": counted("2"),
    **{
        f"L2{clipping}{repeated}Additive{kind}NoiseAttack": counted("2")
        for clipping in ("", "ClippingAware")
        for repeated in ("", "Repeated")
        for kind in ("Gaussian", "Uniform")
    },
    "LinfAdditiveUniformNoiseAttack": counted("inf"),
    "LinfRepeatedAdditiveUniformNoiseAttack": counted("inf"),
    "L2CarliniWagnerAttack": smallest("2"),
    "DDNAttack": smallest("2"),
    "EADAttack": smallest("1"),
    "L2DeepFoolAttack": smallest("2"),
    "LinfDeepFoolAttack": smallest("inf"),
    "NewtonFoolAttack": smallest("2"),
    "L0FMNAttack": smallest(),
    "L1FMNAttack": smallest("1"),
    "L2FMNAttack": smallest("2"),
    "LInfFMNAttack": smallest("inf"),
    "BoundaryAttack": smallest("2"),
    "HopSkipJumpAttack": smallest("2", norms=("inf", "2")),
    "L0BrendelBethgeAttack": smallest(),
    "L1BrendelBethgeAttack": smallest("1"),
    "L2BrendelBethgeAttack": smallest("2"),
    "LinfinityBrendelBethgeAttack": smallest("inf"),
    "BinarySearchContrastReductionAttack": smallest(),
    "LinearSearchContrastReductionAttack": smallest(),
    "LinearSearchBlendedUniformNoiseAttack": smallest(),
    "GaussianBlurAttack": smallest(),
    "InversionAttack": smallest(),
    "SaltAndPepperNoiseAttack": smallest(),
    "SpatialAttack": smallest(),
}


class Foolbox(AttackLibrary):
    """Calls foolbox's attacks, which are built from parameters and called with a model, images, labels and a radius.

    Of foolbox's answers the one that is clipped to the ball is taken. An attack that looks for the smallest
    perturbation is given no radius, because foolbox would stop it as soon as the perturbation is below that.
    """

    name, distribution, extra = "foolbox", "foolbox", "foolbox"
    hidden = frozenset({"distance", "init_attack", "reduced_dims", "tensorboard"})
    specs = SPECS

    def find(self, name: str) -> Callable[..., Any] | None:
        attacks = self.module(".attacks")
        found = getattr(attacks, name, None)
        return found if isinstance(found, type) and issubclass(found, attacks.Attack) else None

    def first(self, name: str) -> int:
        return 0

    def suite_name(self, name: str, parameter: str) -> str:
        return "norm" if parameter == "constraint" else parameter

    def norm(self, name: str, norm: str) -> Any:
        return f"l{norm}"

    def has_radius(self, name: str) -> bool:
        found = self.find(name)
        return isinstance(found, type) and issubclass(found, self.module(".attacks.base").FixedEpsilonAttack)

    def run(self, name: str, batch: Batch, parameters: Mapping[str, Any], eps: float | None) -> Any:
        foolbox = self.module()
        model = foolbox.PyTorchModel(batch.model, bounds=(0, 1), device=batch.images.device)
        attack = getattr(foolbox.attacks, name)(**parameters)
        criterion = foolbox.criteria.Misclassification(batch.labels)
        if not isinstance(attack, self.module(".attacks.base").AttackWithDistance):
            return attack(model, batch.images, criterion)[1]
        _, clipped, _ = attack(model, batch.images, criterion, epsilons=eps if self.has_radius(name) else None)
        return clipped


LIBRARY = Foolbox()

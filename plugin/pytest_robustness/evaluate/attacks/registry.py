"""What is known of each attack before it is imported: its parameters, its ball, what its forwards mean."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import AttackSpec, Norm
from pytest_robustness.records.protocol import Parameter
from pytest_robustness.suite.suite import Case


def _steps(parameters: Mapping[str, Any]) -> int:
    return int(parameters["steps"])


def _iterated(path: str, *parameters: str) -> AttackSpec:
    """A sign-gradient attack whose every forward is its current iterate."""
    return AttackSpec(path, parameters, "candidates", "inf", ("first-success", "full"), _steps)


def _counted(name: str, norm: Norm | None = "inf") -> AttackSpec:
    """An attack some of whose forwards are no candidates: the meter only counts."""
    return AttackSpec(f"torchattacks:{name}", norm=norm)


ATTACKS: Mapping[str, AttackSpec] = {
    "FGSM": AttackSpec("torchattacks:FGSM", ("eps",), "candidates", "inf", ("first-success", "full"), lambda _: 1),
    "PGD": _iterated("torchattacks:PGD", "eps", "alpha", "steps", "random_start"),
    "BIM": _iterated("torchattacks:BIM", "eps", "alpha", "steps"),
    "TPGD": _iterated("torchattacks:TPGD", "eps", "alpha", "steps"),
    "CW": AttackSpec(
        "pytest_robustness.evaluate.attacks.cw:CW",
        ("c", "kappa", "steps", "lr", "patience"),
        "candidates",
        stops=("patience", "full", "torchattacks"),
        budget=_steps,
        name="CW",
    ),
    "FMN": AttackSpec(
        "pytest_robustness.evaluate.attacks.fmn:FMN",
        ("norm", "steps", "alpha", "gamma"),
        "candidates",
        budget=_steps,
        name="FMN",
        norms=("inf", "2"),
    ),
    "DDN": AttackSpec(
        "pytest_robustness.evaluate.attacks.ddn:DDN",
        ("steps", "init", "gamma"),
        "candidates",
        budget=_steps,
        name="DDN",
    ),
    "NIFGSM": _counted("NIFGSM"),
    "SINIFGSM": _counted("SINIFGSM"),
    "VMIFGSM": _counted("VMIFGSM"),
    "DIFGSM": _counted("DIFGSM"),
    "MIFGSM": _counted("MIFGSM"),
    "Jitter": _counted("Jitter"),
    "APGD": _counted("APGD"),
    "APGDT": _counted("APGDT"),
    "Square": _counted("Square"),
    "DeepFool": _counted("DeepFool", norm=None),
}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True)
class ResolvedAttack:
    """An attack of a suite, resolved: what to build and how to watch it."""

    spec: AttackSpec
    stop: str
    given: Mapping[str, Parameter]
    declared: Parameter | None = None  # the norm of its ball, as the suite has it, of an attack from outside

    @property
    def watched(self) -> bool:
        """Whether the meter notices first successes."""
        return self.spec.forwards == "candidates"

    @property
    def freezes(self) -> bool:
        """Whether fooled rows leave the batch."""
        return self.stop == "first-success"

    def parameters(self) -> dict[str, Parameter]:
        """Every parameter, the class's defaults included: two libraries' defaults may differ."""
        signature = inspect.signature(self.spec.load())
        given = self._given(signature)
        defaults = {
            name: parameter.default
            for name, parameter in list(signature.parameters.items())[1:]  # the first is the model
            if isinstance(parameter.default, bool | int | float | str)
        }
        needed = [
            name
            for name, parameter in list(signature.parameters.items())[1:]
            if parameter.default is parameter.empty and parameter.kind in _NAMED
        ]
        missing = [name for name in needed if name not in given]
        if missing:
            raise RobustnessError(f"{missing[0]}: missing, and {self.spec.path} has no default for it")
        unknown = [name for name in given if name not in signature.parameters]
        if unknown:
            raise RobustnessError(f"{unknown[0]}: not a parameter of {self.spec.path}")
        found = defaults | given
        if "eps" in signature.parameters and not self.spec.declares_ball:
            raise RobustnessError(f"norm: missing: {self.spec.path} has an eps; {_SAY_NORM}")
        if self.spec.norm is not None and "eps" not in found:
            if "eps" in signature.parameters:
                raise RobustnessError(f"eps: missing: norm = {self.declared!r} says a ball, and this is its radius")
            raise RobustnessError(f"norm: a ball needs a radius, and {self.spec.path} has no eps")
        return found

    def _given(self, signature: inspect.Signature) -> dict[str, Parameter]:
        """What the class is called with: a norm that was declared too, where it has a parameter of that name."""
        if self.declared is None or "norm" not in signature.parameters:
            return dict(self.given)
        return {**self.given, "norm": self.declared}

    def library(self) -> str:
        """Name and version of the library the attack comes from, through all its base classes."""
        packages = (base.__module__.partition(".")[0] for base in self.spec.load().__mro__[:-1])
        known = [name for name in dict.fromkeys(packages) if name not in ("torch", __package__.partition(".")[0])]
        return ", ".join(f"{name} {_version(name)}".strip() for name in known) or "own"

    def build(self, model: Any) -> Callable[..., Any]:
        """The attack on ``model``, ready to be called with images and labels."""
        attack = self.spec.load()
        built: Callable[..., Any] = attack(model, **self._given(inspect.signature(attack)))
        return built


def resolve(case: Case) -> ResolvedAttack:
    """Resolve a case's attack, without importing it.

    Raises RobustnessError for an unknown attack, parameter or stopping rule.
    """
    attack, key = case.attack, f"attacks.{case.attack_name}"
    given, declared = attack.parameters, None
    spec = ATTACKS.get(attack.attack)
    if spec is None:
        if ":" not in attack.attack:
            known = ", ".join(ATTACKS)
            raise case.error(f"{key}.attack", f"unknown attack {attack.attack!r} (known: {known}, or module:Class)")
        spec, declared = _from_outside(case, key), attack.norm
    elif attack.norm is not None:  # a parameter like the others
        given["norm"] = attack.norm
        if spec.norms and attack.norm not in spec.norms:
            raise case.error(f"{key}.norm", f"{attack.norm!r} is not one of {', '.join(spec.norms)}")
        if spec.parameters is None:  # a library's own, which also says the ball
            spec = replace(spec, norm=_ball_norm(attack.norm) or spec.norm)
    stop = attack.stop or spec.stops[0]
    if stop not in spec.stops:
        raise case.error(f"{key}.stop", f"{stop!r} is not one of {', '.join(spec.stops)}")
    for name, value in given.items():
        if spec.parameters is not None and name not in spec.parameters:
            raise case.error(f"{key}.{name}", f"unknown key (parameters: {', '.join(spec.parameters)})")
        if name in _WHOLE and (type(value) is not int or value < 0):
            raise case.error(f"{key}.{name}", f"{value!r} is not a whole number of at least 0")
        if name in _NUMBERS and (isinstance(value, str | bool) or not 0 <= value < math.inf):
            raise case.error(f"{key}.{name}", f"{value!r} is not a number of at least 0")
    return replace(_with_stop(spec, stop, given), declared=declared)


def _from_outside(case: Case, key: str) -> AttackSpec:
    """The spec of an attack that is not in the registry, from what the suite says of its ball."""
    attack, norm = case.attack, _ball_norm(case.attack.norm)
    if "eps" in attack.parameters:
        if attack.norm is None:
            raise case.error(f"{key}.norm", f"missing: the attack has an eps; {_SAY_NORM}")
        if norm is None and attack.norm != "none":
            raise case.error(f"{key}.norm", f'{attack.norm!r} is not one of "inf", "2", "1" and "none"')
    return AttackSpec(attack.attack, norm=norm, declares_ball=norm is not None or attack.norm == "none")


def _ball_norm(norm: Parameter | None) -> Norm | None:
    """The norm that a suite names, also by a number or as libraries spell it; None for anything else."""
    spelled = f"{norm:g}" if isinstance(norm, int | float) else str(norm)
    return _NORMS.get(spelled.removeprefix("L"))


_NORMS: Mapping[str, Norm] = {"inf": "inf", "2": "2", "1": "1"}
#: Of parameters that have a name.
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_SAY_NORM = 'say which ball of that radius its answers stay in: norm = "inf", "2" or "none"'
_WHOLE = frozenset({"steps", "patience"})
_NUMBERS = frozenset({"eps", "alpha", "c", "kappa", "lr", "gamma", "init"})


def _with_stop(spec: AttackSpec, stop: str, given: dict[str, Parameter]) -> ResolvedAttack:
    if stop == "torchattacks":  # the library's own C&W, for comparison: its candidates are not told their rows
        return ResolvedAttack(AttackSpec("torchattacks:CW", forwards="candidates", budget=_steps), stop, given)
    if "patience" in spec.stops and stop == "full":
        given["patience"] = 0
    return ResolvedAttack(spec, stop, given)

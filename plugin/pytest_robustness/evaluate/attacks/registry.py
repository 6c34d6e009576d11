"""The registry of attacks: it finds the attack that a suite names, which is ours, a library's or the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import AttackSpec, Norm, norm_named
from pytest_robustness.evaluate.attacks.core import ALIASES, CORE, IN_BALL
from pytest_robustness.evaluate.attacks.corruptions import SPECS as CORRUPTIONS
from pytest_robustness.evaluate.attacks.resolved import SAY_NORM, ResolvedAttack
from pytest_robustness.extensions import declared, extension
from pytest_robustness.records.protocol import Parameter
from pytest_robustness.suite.suite import Case

if TYPE_CHECKING:
    from pytest_robustness.evaluate.attacks.libraries.base import AttackLibrary

__all__ = ["ATTACKS", "LIBRARIES", "ResolvedAttack", "attack_library", "resolve"]

#: Libraries that have a file in ``libraries``, by the prefix of their attacks.
LIBRARIES = ("torchattacks", "foolbox", "adv_lib", "pyautoattack", "art")
#: Attacks of torchattacks that suites once named without a prefix.
FORMERLY_TORCHATTACKS = frozenset({"TPGD", "NIFGSM", "SINIFGSM", "VMIFGSM", "DIFGSM", "Jitter", "APGDT", "DeepFool"})
_WHOLE = frozenset({"steps", "patience", "restarts", "queries", "targets"})
_NUMBERS = frozenset({"eps", "alpha", "c", "kappa", "lr", "gamma", "init", "decay", "rho"})


#: This package's own attacks by name.
ATTACKS: dict[str, AttackSpec] = {**CORE, **CORRUPTIONS}


def attack_library(name: str) -> AttackLibrary:
    """Return what is known of a library of ``LIBRARIES``, without importing it."""
    found: AttackLibrary = import_module(f"{__package__}.libraries.{name}").LIBRARY
    return found


def resolve(case: Case) -> ResolvedAttack:
    """Resolve a case's attack, without importing it.

    Raises RobustnessError, which names file and key, for an unknown attack, parameter or stopping rule, and when a
    radius, a ball or the size of a step is missing.
    """
    attack, key = case.attack, f"attacks.{case.attack_name}"
    given, declared = attack.parameters, None
    spec = _known(case, key)
    if not spec.declares_ball:
        spec, declared = _with_declared_ball(spec, case, key), attack.norm
    elif attack.norm is not None:  # then the norm is a parameter like the others
        norm = norm_named(attack.norm)
        if spec.norms and norm not in spec.norms:
            raise case.error(f"{key}.norm", f"{attack.norm!r} is not one of {', '.join(spec.norms)}")
        given["norm"] = norm or attack.norm
        spec = _with_norm(spec, norm)
    stop, stops = attack.stop, spec.stops or IN_BALL
    if stop is not None and stop not in stops:
        raise case.error(f"{key}.stop", f"{stop!r} is not one of {', '.join(stops)}")
    _check(spec, given, lambda name, problem: case.error(f"{key}.{name}", problem))
    if "patience" in spec.stops and stop == "full":
        given["patience"] = 0
    return ResolvedAttack(spec, stop, given, declared)


def _known(case: Case, key: str) -> AttackSpec:
    name = case.attack.attack
    own = ATTACKS.get(ALIASES.get(name, name))
    if own is not None:
        return own
    if name in declared("attacks"):
        theirs: AttackSpec = extension("attacks", name)
        return theirs
    prefix, separator, rest = name.partition(":")
    if prefix in LIBRARIES and separator:
        try:
            return attack_library(prefix).spec(rest)
        except RobustnessError as error:
            raise case.error(f"{key}.attack", str(error)) from None
    if separator:
        return AttackSpec(name, stops=(), declares_ball=False, by_row=None)
    moved = f"; torchattacks' is torchattacks:{name}" if name in FORMERLY_TORCHATTACKS else ""
    known = f"{', '.join(ATTACKS)}, LIBRARY:NAME or module:Class"
    raise case.error(f"{key}.attack", f"unknown attack {name!r}{moved} (known: {known})")


def _with_declared_ball(spec: AttackSpec, case: Case, key: str) -> AttackSpec:
    """Return the spec of an attack in no table, with the ball that the suite declares for it."""
    attack, norm = case.attack, norm_named(case.attack.norm)
    if "eps" in attack.parameters:
        if attack.norm is None:
            raise case.error(f"{key}.norm", f"missing: the attack has an eps; {SAY_NORM}")
        if norm is None and attack.norm != "none":
            raise case.error(f"{key}.norm", f'{attack.norm!r} is not one of "inf", "2", "1" and "none"')
    return replace(spec, norm=norm, declares_ball=norm is not None or attack.norm == "none")


def _with_norm(spec: AttackSpec, norm: Norm | None) -> AttackSpec:
    """Return the spec with the chosen norm, of its ball or of the perturbation it makes small."""
    if not spec.norms:
        return spec
    return replace(spec, distance=norm) if spec.distance is not None else replace(spec, norm=norm)


def _check(spec: AttackSpec, given: Mapping[str, Parameter], error: Callable[[str, str], RobustnessError]) -> None:
    """Raise an error for parameters whose names or values are wrong, as far as their names alone tell."""
    for name, value in given.items():
        if spec.parameters is not None and name not in spec.parameters:
            raise error(name, f"unknown key (parameters: {', '.join(spec.parameters)})")
        if name in _WHOLE and (type(value) is not int or value < 0):
            raise error(name, f"{value!r} is not a whole number of at least 0")
        if name in _NUMBERS and (isinstance(value, str | bool) or not 0 <= value < math.inf):
            raise error(name, f"{value!r} is not a number of at least 0")
    for group in spec.required:
        said = [name for name in group if name in given]
        if len(said) > 1:
            raise error(said[1], f"beside {said[0]}: give one of them")
        if not said:
            raise error(group[0], f"missing: {_why(spec, group)}")


def _why(spec: AttackSpec, group: tuple[str, ...]) -> str:
    if group == ("eps",):
        return f"the radius of the ball that {spec.path} stays in"
    if group == ("norm",):
        return f"{spec.path} has no default for it ({', '.join(spec.norms)})"
    choice = " or ".join(group)
    return f"{spec.path} has to be told the size of its steps ({choice}); by libraries' defaults PGD fools 4 to 79 %"

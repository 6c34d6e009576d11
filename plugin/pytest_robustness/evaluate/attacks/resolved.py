"""Resolved attacks of a suite: what they are called with, and how to build them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import AttackSpec, Norm, norm_named
from pytest_robustness.evaluate.attacks.core import IN_BALL
from pytest_robustness.records.protocol import Parameter
from pytest_robustness.suite.scales import beyond_pixels

SAY_NORM = 'say which ball of that radius its answers stay in: norm = "inf", "2" or "none"'
#: Parameters of attacks in an L-infinity ball that are shares of a pixel's range.
SHARES_OF_PIXELS = ("eps", "alpha")
#: The methods of an attack that treats each image for itself: ``rows.RowAttack``.
ROW_METHODS = ("start", "candidates", "update")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
#: Number of arguments before the parameters of a user's function: model, images and labels.
BEFORE = 3


@dataclass(frozen=True)
class ResolvedAttack:
    """Says which attack to build for a case, and how to watch it.

    Attributes:
        spec: what is known of the attack.
        asked: the stopping rule the suite names; None when it names none.
        given: its parameters, as the suite has them.
        declared: for an attack in no table, the norm of its ball as the suite has it.
    """

    spec: AttackSpec
    asked: str | None
    given: Mapping[str, Parameter]
    declared: Parameter | None = None

    @cached_property
    def by_row(self) -> bool:
        """Return whether the attack treats each image for itself. For an attack in no table its class tells."""
        if self.spec.by_row is not None:
            return self.spec.by_row
        loaded = self.spec.load()
        return isinstance(loaded, type) and all(callable(getattr(loaded, name, None)) for name in ROW_METHODS)

    @cached_property
    def stops(self) -> tuple[str, ...]:
        """Return the stopping rules it can follow, the default first."""
        if self.spec.stops:
            return self.spec.stops
        early = self.by_row and not getattr(self.build_rows(), "minimises", False)
        return IN_BALL if early else ("full",)

    @property
    def stop(self) -> str:
        """Return the stopping rule: the one the suite names, or the default."""
        return self.asked or self.stops[0]

    @property
    def watched(self) -> bool:
        """Return whether first successes are noticed."""
        return self.by_row or self.spec.forwards == "candidates"

    @property
    def freezes(self) -> bool:
        """Return whether an image is done when it is first fooled."""
        return self.stop == "first-success"

    @property
    def bounded(self) -> bool:
        """Return whether the attack has a radius, so that success means success within it."""
        return "eps" in self.parameters()

    @cached_property
    def distance_norm(self) -> Norm | None:
        """Return the norm in which the attack makes the perturbation small.

        Returns None when it does not look for the smallest one.
        """
        if self.spec.distance is not None or self.spec.by_row is not None:
            return self.spec.distance
        if not self.by_row:
            return None
        attack = self.build_rows()
        return norm_named(getattr(attack, "norm", "2")) if getattr(attack, "minimises", False) else None

    def budget(self, parameters: Mapping[str, Parameter]) -> int | None:
        """Return how many gradient evaluations an image may cost with these parameters. Returns None when unknown."""
        return self.spec.budget(parameters) if self.spec.budget else None

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter, defaults included, because two libraries' defaults may differ.

        Raises RobustnessError for a parameter that is missing, unknown, or has a value that is not allowed. The message
        begins with the parameter's name.
        """
        signature = self._signature
        given = self._given()
        for name, parameter in signature.items():
            if parameter.default is parameter.empty and parameter.kind in _NAMED and name not in given:
                raise RobustnessError(f"{name}: missing, and {self.spec.identity} has no default for it")
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values())
        for name in given:
            if name not in signature and not takes_any:
                known = ", ".join(name for name, parameter in signature.items() if parameter.kind in _NAMED)
                raise RobustnessError(f"{name}: not a parameter of {self.spec.identity} ({known})")
        found = {
            name: parameter.default
            for name, parameter in signature.items()
            if isinstance(parameter.default, bool | int | float | str) and not self._is_replaced(name)
        } | given
        self._check_ball(signature, found)
        if self.asked is not None and self.asked not in self.stops:
            raise RobustnessError(f"stop: {self.asked!r} is not one of {', '.join(self.stops)}")
        if self.by_row:
            self.build_rows()
        return {name: _storable(value) for name, value in found.items()}

    def library(self) -> str:
        """Return name and version of the libraries that the attack and its base classes come from.

        Returns "own" when none comes from a library.
        """
        if self.spec.distribution:
            return _named(self.spec.distribution)
        loaded = self.spec.load()
        bases = loaded.__mro__[:-1] if isinstance(loaded, type) else (loaded,)
        packages = (str(getattr(base, "__module__", "")).partition(".")[0] for base in bases)
        own = ("", "torch", "typing", "abc", __package__.partition(".")[0])
        known = [name for name in dict.fromkeys(packages) if name not in own]
        return ", ".join(_named(name) for name in known) or "own"

    def build(self, model: Any) -> Callable[..., Any]:
        """Return the attack on ``model``, ready to be called with images and labels."""
        attack, given = self.spec.load(), self._given()
        if self.spec.loader is None and not isinstance(attack, type):
            return lambda images, labels: attack(model, images, labels, **given)
        built: Callable[..., Any] = attack(model, **given)
        return built

    def build_rows(self) -> Any:
        """Return the attack that treats each image for itself, made of its parameters.

        Raises RobustnessError for a parameter that its class refuses with a ValueError.
        """
        try:
            return self.spec.load()(**self._given())
        except ValueError as error:
            raise RobustnessError(str(error)) from None

    @cached_property
    def _signature(self) -> Mapping[str, inspect.Parameter]:
        """Return the attack's parameters, without those that take the model or the batch."""
        loaded = self.spec.load()
        function = self.spec.loader is None and not isinstance(loaded, type)
        before = 0 if self.by_row else BEFORE if function else 1
        return dict(list(inspect.signature(loaded).parameters.items())[before:])

    def _given(self) -> dict[str, Parameter]:
        """Return what the attack is called with.

        This includes the declared norm when the attack has a parameter of that name.
        """
        if self.declared is None or "norm" not in self._signature:
            return dict(self.given)
        return {**self.given, "norm": self.declared}

    def _is_replaced(self, name: str) -> bool:
        """Return whether the parameter is in a group of which one has to be given, and the suite gives one."""
        return any(name in group and set(group) & self.given.keys() for group in self.spec.required)

    def _check_ball(self, signature: Mapping[str, inspect.Parameter], found: Mapping[str, Parameter]) -> None:
        for name in SHARES_OF_PIXELS if self.spec.norm == "inf" else ():
            value = found.get(name)
            if isinstance(value, int | float) and (problem := beyond_pixels(value)) is not None:
                raise RobustnessError(f"{name}: {problem}")
        if "eps" in signature and not self.spec.declares_ball:
            raise RobustnessError(f"norm: missing: {self.spec.path} has an eps; {SAY_NORM}")
        if self.spec.norm is not None and "eps" not in found and self.distance_norm is None:
            if "eps" in signature:
                raise RobustnessError(f"eps: missing: norm = {self.declared!r} says a ball, and this is its radius")
            raise RobustnessError(f"norm: a ball needs a radius, and {self.spec.path} has no eps")


def _storable(value: Parameter) -> Parameter:
    """Return a parameter as a protocol can hold it: as text when it is not finite, because JSON has no such number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _named(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package

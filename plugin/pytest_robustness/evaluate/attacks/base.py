"""Specs of attacks: what is known of an attack before it is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from pytest_robustness.errors import RobustnessError

Budget = Callable[[Mapping[str, Any]], int | None]
Norm = Literal["inf", "2", "1"]


@dataclass(frozen=True)
class AttackSpec:
    """Describes an attack as data: reading it imports neither torch nor the attack's library.

    Attributes:
        path: ``package.module:Name`` of a class or a function, or ``library:NAME``.
        parameters: the names a suite may set; None when only the attack itself knows them.
        forwards: ``candidates`` when the rows of every forward are perturbed images of the batch's rows, else
            ``other``.
        norm: norm of the ball of radius ``eps`` the attack promises to stay in; None when it has no ball.
        stops: the stopping rules it can follow, the default first; empty when they follow from its class.
        budget: takes the parameters and returns how many gradient evaluations an image may cost; None when unknown, and
            when its gradients are not those of a row's loss (a Jacobian costs one gradient for each class).
        name: the attack's name in a protocol, wherever its class lies; None means its path.
        norms: the values its parameter ``norm`` may have; empty when the norm cannot be chosen.
        declares_ball: whether it is known if there is a ball; a suite has to say it for an attack in no table.
        distance: for an attack that looks for the smallest perturbation, the norm in which it is small.
        required: groups of parameters; a suite has to give one of each group.
        by_row: whether it treats each image for itself (``rows.RowAttack``); None when this follows from its class.
        loader: finds an attack of a library, which has no path that could be imported.
        distribution: for a library's attack, the package whose version a measurement names.
    """

    path: str
    parameters: tuple[str, ...] | None = None
    forwards: Literal["candidates", "other"] = "other"
    norm: Norm | None = None
    stops: tuple[str, ...] = ("full",)
    budget: Budget | None = None
    name: str | None = None
    norms: tuple[Norm, ...] = ()
    declares_ball: bool = True
    distance: Norm | None = None
    required: tuple[tuple[str, ...], ...] = ()
    by_row: bool | None = False
    loader: Callable[[], Callable[..., Any]] | None = None
    distribution: str = ""

    @property
    def identity(self) -> str:
        """Return the attack's name in a protocol."""
        return self.name or self.path

    def load(self) -> Callable[..., Any]:
        """Import the attack's library and return the class or function. Raises RobustnessError, in one line."""
        if self.loader is not None:
            return self.loader()
        module_name, _, name = self.path.partition(":")
        module = _imported(module_name, self.path)
        try:
            loaded = getattr(module, name)
        except AttributeError:
            raise RobustnessError(f"attack: no {name!r} in {module_name}") from None
        if not callable(loaded):
            raise RobustnessError(f"attack: {self.path} is neither a class nor a function")
        return loaded  # type: ignore[no-any-return]


def _imported(module: str, path: str) -> ModuleType:
    """Import a user's or a library's module. Turns every error, whatever the code raises, into one line."""
    from pytest_robustness.evaluate.runtime.errors import user_code  # needs torch, as what is imported mostly does

    with user_code(f"attack: importing {module}"):
        try:
            return import_module(module)
        except ImportError as error:
            raise RobustnessError(f"attack: cannot import {path}: {error}") from None


def norm_named(value: Any) -> Norm | None:
    """Return the norm that a word or a number means, also as libraries spell it. Returns None for anything else."""
    spelled = f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return _NORMS.get(spelled.removeprefix("L").removeprefix("l"))


_NORMS: Mapping[str, Norm] = {"inf": "inf", "2": "2", "1": "1"}

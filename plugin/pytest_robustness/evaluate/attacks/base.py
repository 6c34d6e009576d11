"""What is known of an attack before it is imported."""

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
    """An attack, as data: reading it imports neither torch nor the attack's library.

    Attributes:
        path: ``package.module:Name`` of a class or a function, or ``library:NAME``.
        parameters: the names a suite may set; None when only the attack itself knows.
        forwards: ``candidates`` when every forward is a perturbed image of its row, else ``other``.
        norm: of the ball of radius ``eps`` the attack promises to stay in; None for no ball.
        stops: the stopping rules it can follow, the default first; empty: its class has to be looked at.
        budget: of the parameters, gradient evaluations an image may cost; None when unknown, and where a gradient is
            not one of a row's loss (a Jacobian costs one a class).
        name: what a protocol calls the attack, wherever its class lies; None: by its path.
        norms: what its parameter ``norm`` may be; empty where it has none to choose.
        declares_ball: whether it is known if there is a ball; an attack that is in no table has to say it.
        distance: the norm of the perturbation it makes small, of an attack that looks for the smallest one.
        required: groups of parameters, of each of which a suite has to give one.
        by_row: whether it treats each image for itself (``rows.RowAttack``); None: its class has to be looked at.
        loader: finds an attack of a library, which has no path that could be imported.
        distribution: of a library's attack, the package whose version a measurement names.
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
        """What a protocol calls the attack."""
        return self.name or self.path

    def load(self) -> Callable[..., Any]:
        """Return the class or function itself; imports its library. Raises RobustnessError in one line."""
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
    """A module of somebody's, whose every error is one line: it is code, and may fail in any way."""
    from pytest_robustness.evaluate.runtime.errors import user_code  # needs torch, as what is imported mostly does

    with user_code(f"attack: importing {module}"):
        try:
            return import_module(module)
        except ImportError as error:
            raise RobustnessError(f"attack: cannot import {path}: {error}") from None


def norm_named(value: Any) -> Norm | None:
    """Return the norm that is meant by a word or a number, also as libraries spell it; None for anything else."""
    spelled = f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return _NORMS.get(spelled.removeprefix("L").removeprefix("l"))


_NORMS: Mapping[str, Norm] = {"inf": "inf", "2": "2", "1": "1"}

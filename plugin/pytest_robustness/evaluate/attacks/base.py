"""What is known of an attack before it is imported, and what a model offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from pytest_robustness.errors import RobustnessError

Budget = Callable[[Mapping[str, Any]], int]
Norm = Literal["inf", "2", "1"]


def logits_of(model: Any, inputs: Any, rows: Any) -> Any:
    """Logits of a model, which is told to which row of the batch each input belongs if its ``accepts_rows`` is true."""
    return model(inputs, rows) if getattr(model, "accepts_rows", False) else model(inputs)


@dataclass(frozen=True)
class AttackSpec:
    """An attack class.

    Attributes:
        path: ``package.module:Class``, called with the model and the parameters.
        name: what a protocol calls the attack, wherever its class lies; None: by its path, as a library's.
        parameters: the names a suite may set; None when only the class itself knows.
        forwards: ``candidates`` when every forward is a perturbed image of its row, else ``other``.
        norm: of the ball of radius ``eps`` the attack promises to stay in; None for no ball.
        stops: the stopping rules it can follow, the default first.
        budget: of the parameters, gradient evaluations an image may cost; None when unknown.
        norms: what its parameter ``norm`` may be, where it is the norm of the perturbation that is made small.
        declares_ball: whether it is known if there is a ball; an attack from outside the registry has to say it.
    """

    path: str
    parameters: tuple[str, ...] | None = None
    forwards: Literal["candidates", "other"] = "other"
    norm: Norm | None = None
    stops: tuple[str, ...] = ("full",)
    budget: Budget | None = None
    name: str | None = None
    norms: tuple[str, ...] = ()
    declares_ball: bool = True

    @property
    def identity(self) -> str:
        """What a protocol calls the attack."""
        return self.name or self.path

    def load(self) -> type[Any]:
        """The class itself; imports its library."""
        module_name, _, name = self.path.partition(":")
        try:
            loaded = getattr(import_module(module_name), name)
        except ImportError as error:
            raise RobustnessError(f"attack: cannot import {self.path}: {error}") from None
        except AttributeError:
            raise RobustnessError(f"attack: no {name!r} in {module_name}") from None
        if not isinstance(loaded, type):
            raise RobustnessError(f"attack: {self.path} is not a class")
        return loaded

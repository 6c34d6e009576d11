"""The base of all libraries of attacks: specs as data, and one way to call an attack on a batch."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.base import AttackSpec, norm_named

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Holds what an attack is called with: a model, images (n, C, H, W) in [0, 1] and labels (n,)."""

    model: Any
    images: Tensor
    labels: Tensor

    @cached_property
    def classes(self) -> int:
        """Return how many logits the model has, by a forward that a meter does not count."""
        import torch

        with torch.no_grad():
            return int(getattr(self.model, "classifier", self.model)(self.images[:1]).shape[1])

    def seed(self) -> int:
        """Draw a seed from torch's generator, which follows from the suite's seed and the batch's place."""
        import torch

        return int(torch.randint(2**31 - 1, ()))


#: Parameters that a suite cannot choose, and the values that an attack gets when it has them.
FIXED: Mapping[str, Callable[[Batch], Any]] = {
    "targeted": lambda batch: False,
    "verbose": lambda batch: False,
    "batch_size": lambda batch: len(batch.images),
    "device": lambda batch: batch.images.device,
    "n_classes": lambda batch: batch.classes,
    "num_classes": lambda batch: batch.classes,
}
SEED = "seed"
#: Types of the values that a suite can give. None is among them as the default of many parameters that it may set.
PLAIN = (bool, int, float, str, type(None))
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Factory:
    """Builds a library's attack: called with a model and parameters, returns a function of images and labels."""

    library: AttackLibrary
    name: str

    @cached_property
    def __signature__(self) -> inspect.Signature:
        """Return the signature of a call: the model and every parameter that a suite may set."""
        model = inspect.Parameter("model", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return inspect.Signature([model, *self.library.parameters(self.name)])

    def __call__(self, model: Any, **given: Any) -> Callable[[Tensor, Tensor], Tensor]:
        def attack(images: Tensor, labels: Tensor) -> Tensor:
            answer: Tensor = self.library.attack(self.name, Batch(model, images, labels), given)
            return answer

        return attack


class AttackLibrary(ABC):
    """Finds and calls the attacks of one library.

    Attributes:
        name: the module's name, and the prefix in a suite: ``name:ATTACK``.
        distribution: the package's name.
        extra: the extra of this package that installs it.
        specs: what is known of its attacks, by their names in the library.
        hidden: parameters that a suite cannot set, beside ``FIXED``: objects of the library.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]
    extra: ClassVar[str]
    specs: ClassVar[Mapping[str, AttackSpec]]
    hidden: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def find(self, name: str) -> Callable[..., Any] | None:
        """Import the library and return its own class or function. Returns None when it has none of this name."""

    @abstractmethod
    def run(self, name: str, batch: Batch, parameters: Mapping[str, Any], eps: float | None) -> Any:
        """Attack a batch, whose images and labels may be changed in place, and return the adversarial images.

        Args:
            name: the attack's name in the library.
            batch: the batch that is attacked.
            parameters: by the library's own names, those of ``FIXED`` among them.
            eps: the suite's radius, which some libraries take elsewhere than among the parameters.
        """

    def first(self, name: str) -> int:
        """Return how many arguments of the library's class or function come before its parameters."""
        return 1

    def has_radius(self, name: str) -> bool:
        """Return whether the attack takes its radius when it is called, and not among its parameters."""
        return False

    def suite_name(self, name: str, parameter: str) -> str:
        """Return the name by which a suite sets a parameter of an attack."""
        return parameter

    def norm(self, name: str, norm: str) -> Any:
        """Return a norm, "inf", "2" or "1", as the library spells it for an attack."""
        return f"L{norm}"

    def spec(self, name: str) -> AttackSpec:
        """Return what is known of an attack. The library is not imported when a table here has the attack.

        Nothing is known of an attack that is in the library and in no table here: its forwards are counted, and a suite
        has to declare its ball. Raises RobustnessError, which names similar attacks, for one that is in neither.
        """
        found = self.specs.get(name)
        installed = self._is_installed()
        if found is None and installed and self.find(name) is not None:
            found = AttackSpec("", declares_ball=False)
        if found is not None:
            loader = partial(Factory, self, name)
            return replace(found, path=f"{self.name}:{name}", loader=loader, distribution=self.distribution)
        by_lower = {one.lower(): one for one in self.specs}
        similar = get_close_matches(name.lower(), by_lower, n=4, cutoff=0.5) or list(by_lower)[:6]
        missing = "" if installed else f"; not installed: {self.command}"
        raise RobustnessError(f"{self.name} has no attack {name!r} (similar: {_list(by_lower, similar)}{missing})")

    @property
    def command(self) -> str:
        """Return the command that installs the library."""
        return f"pip install 'pytest-robustness[{self.extra}]'"

    def module(self, path: str = "") -> Any:
        """Return a module of the library.

        Raises RobustnessError, with the command that installs the library, when it cannot be imported.
        """
        try:
            return import_module(f"{self.name}{path}")
        except ImportError as error:
            raise RobustnessError(f"attack: {self.missing(error)}") from None

    def missing(self, error: ImportError) -> str:
        """Return why the library could not be imported, and what to do."""
        if not self._is_installed():
            return f"{self.name} is not installed: {self.command}"
        return f"{self.name} cannot be imported: {error}; {self.command}"

    def attack(self, name: str, batch: Batch, given: Mapping[str, Any]) -> Any:
        """Attack a batch, with the suite's parameters."""
        signature = self._signature(name)
        parameters = {key: value(batch) for key, value in FIXED.items() if key in signature}
        if SEED in signature and signature[SEED].default is None:  # else the library would seed by the time of day
            parameters[SEED] = batch.seed()
        for theirs, ours in self._settable(name):
            if ours in given:
                known_norm = ours == "norm" and name in self.specs
                parameters[theirs] = self.norm(name, given[ours]) if known_norm else given[ours]
        return self.run(name, batch, parameters, given.get("eps"))

    def parameters(self, name: str) -> Iterator[inspect.Parameter]:
        """Yield the parameters that a suite may set, keyword-only, with the library's default.

        A parameter that has to be given has no default.
        """
        signature, spec = self._signature(name), self.specs.get(name)
        given = {group[0] for group in spec.required if len(group) == 1} if spec else set()
        shown = set()
        for theirs, ours in self._settable(name):
            default = signature[theirs].default
            if ours == "norm" and spec is not None:
                default = norm_named(default) or inspect.Parameter.empty
            shown.add(ours)
            yield _keyword(ours, inspect.Parameter.empty if ours in given else default)
        if "eps" not in shown and self.has_radius(name):
            yield _keyword("eps", inspect.Parameter.empty)
        elif "eps" not in shown and spec is not None and spec.distance is not None:
            yield _keyword("eps", None)  # success then means success within this radius

    def _signature(self, name: str) -> Mapping[str, inspect.Parameter]:
        found = self.find(name)
        if found is None:
            raise RobustnessError(f"attack: this version of {self.name} has no {name!r}")
        return dict(list(inspect.signature(found).parameters.items())[self.first(name) :])

    def _settable(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the library's and the suite's name of each parameter that a suite may set."""
        for theirs, parameter in self._signature(name).items():
            plain = parameter.default is parameter.empty or isinstance(parameter.default, PLAIN)
            seeded = theirs == SEED and parameter.default is None
            if parameter.kind in NAMED and plain and not seeded and theirs not in {*FIXED, *self.hidden}:
                yield theirs, self.suite_name(name, theirs)

    def _is_installed(self) -> bool:
        try:
            return find_spec(self.name) is not None
        except ValueError:  # raised for a loaded module without a spec
            return True


def _keyword(name: str, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)


def _list(names: Mapping[str, str], keys: Iterable[str]) -> str:
    return ", ".join(names[key] for key in keys)

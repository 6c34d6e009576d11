"""Parts of a suite that refer to its models and attacks by name: groups, variants and ensembles."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_robustness.suite.attack import ON_REQUEST
from pytest_robustness.suite.ensembles import MEMBERS, Ensemble
from pytest_robustness.suite.names import Name
from pytest_robustness.suite.tables import Table


class Variant(Table):
    """Names two models of the suite that differ by one change."""

    base: Name = Field(description="the model before the change")
    update: Name = Field(description="the model after it")
    group: str = Field(default="", max_length=100, description="variants of one group are also compared together")

    @property
    def models(self) -> list[str]:
        return [self.base, self.update]


#: Markers that pytest acts upon: a group of this name would skip its cases, or worse.
PYTEST_MARKERS = frozenset({ON_REQUEST, "filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail"})


def _no_marker_of_pytest(name: str) -> str:
    if name.startswith("_"):
        raise ValueError("should not begin with _: pytest refuses such a marker")
    if name in PYTEST_MARKERS:
        raise ValueError("should be another name: pytest's own marker, or one of this plugin's")
    return name


def _known(models: Iterable[str], info: ValidationInfo) -> None:
    for model in models:
        if model not in info.data.get("models", [model]):  # if the models are not valid, their own error is reported
            raise ValueError(f"no model {model!r} in this suite")


def _known_group(group: list[str], info: ValidationInfo) -> list[str]:
    _known(group, info)
    if len(set(group)) < len(group):
        raise ValueError("a model is named twice")
    return group


def known_variants(variants: list[Variant], info: ValidationInfo) -> list[Variant]:
    _known((model for variant in variants for model in variant.models), info)
    for variant in variants:
        if variant.base == variant.update:
            raise ValueError(f"{variant.base} is no variant of itself")
    try:
        TopologicalSorter(
            {
                update: [one.base for one in variants if one.update == update]
                for update in {variant.update for variant in variants}
            }
        ).prepare()
    except CycleError as error:
        raise ValueError(f"updates go round in a circle: {' -> '.join(error.args[1])}") from None
    if len({(variant.base, variant.update) for variant in variants}) < len(variants):
        raise ValueError("a variant is named twice")
    return variants


def known_members(ensembles: dict[str, Ensemble], info: ValidationInfo) -> dict[str, Ensemble]:
    attacks = info.data.get("attacks", {})
    for name, ensemble in ensembles.items():
        if name in attacks:
            raise ValueError(f"{name} is the name of an attack already")
        for member in ensemble.attacks:
            if member not in attacks and member not in MEMBERS and attacks:
                known = ", ".join(dict.fromkeys([*attacks, *MEMBERS]))
                raise ValueError(f"{name}.attacks: no attack {member!r} (known: {known})")
            given = attacks[member].parameters if member in attacks else {}
            if member in attacks and given.get("eps") != ensemble.eps:
                raise ValueError(f"{name}.eps: {ensemble.eps:g}, but {given.get('eps')} in attacks.{member}")
    return ensembles


Group = Annotated[Name, AfterValidator(_no_marker_of_pytest)]
Models = Annotated[list[str], Field(min_length=1), AfterValidator(_known_group)]

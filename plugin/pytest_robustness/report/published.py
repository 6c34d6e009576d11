"""Published values beside measured ones. Nothing is judged by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

from pydantic import Field, FiniteFloat, StringConstraints, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.metrics import success_differences
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report.averages import ModelFacts, model_facts
from pytest_robustness.suite.problems import explain
from pytest_robustness.suite.suite import Suite
from pytest_robustness.suite.tables import Table
from pytest_robustness.suite.toml import read_toml

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, StringConstraints(min_length=1)]
#: What a model's published values are called, and which of ``Averages`` they stand beside.
MODEL_VALUES = {
    "success_rate": "success_rate",
    "noise_rate": "noise_rate",
    "seconds": "seconds",
    "top_1_accuracy": "top_1",
    "top_5_accuracy": "top_5",
}


class PublishedModel(Table):
    """Holds a model's published means over the attacks, and its clean accuracies."""

    success_rate: Share | None = None
    noise_rate: Share | None = None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(default=None, description="an image")
    top_1_accuracy: Share | None = None
    top_5_accuracy: Share | None = None


class Published(Table):
    """Holds all of a suite's ``published`` file."""

    title: Text
    short: Text
    models: dict[str, PublishedModel] = Field(default={})
    variants: dict[str, dict[str, FiniteFloat]] = Field(
        default={}, description="by group and attack: what the update changes in success rate, a share"
    )
    attacks: dict[str, dict[str, bool | int | float | str]] = Field(default={}, description="stated parameters")


@dataclass(frozen=True)
class Beside:
    """Holds one published value, and the measured one beside it.

    Attributes:
        subject: a model or a group of variants; empty for a parameter of an attack.
        attack: its name; ``mean`` for the mean over all of them; empty when the value does not depend on attacks.
        quantity: ``success rate``, ``success rate change``, ``noise rate``, ``seconds``, ``top-5 accuracy``, ... or a
            parameter's name.
        published: as the source states it.
        measured: the same of this run, or a parameter as the suite has it; None when it was not measured.
    """

    subject: str
    attack: str
    quantity: str
    published: float | str
    measured: float | str | None


def load_published(suite: Suite) -> Published | None:
    """Return the suite's published values. Returns None when it has none.

    Raises RobustnessError, naming file and key, when the file is not valid or names something the suite does not have.
    """
    path = suite.published
    if path is None:
        return None
    try:
        published = Published.model_validate(read_toml(path))
    except ValidationError as error:
        raise RobustnessError(f"{path}: {explain(error, Published)}") from None
    _check(path, published, suite)
    return published


def _check(path: Path, published: Published, suite: Suite) -> None:
    groups = {variant.group for variant in suite.variants}
    known = {"models": set(suite.models), "variants": groups, "attacks": set(suite.all_attacks)}
    for table, names in known.items():
        for name in getattr(published, table):
            if name not in names:
                raise RobustnessError(f"{path}: {table}.{name}: not in {suite.path}")
    for group, attacks in published.variants.items():
        for attack in attacks:
            if attack not in suite.all_attacks:
                raise RobustnessError(f"{path}: variants.{group}.{attack}: no attack of {suite.path}")


def beside(published: Published, suite: Suite, measurements: Mapping[str, Measurement]) -> list[Beside]:
    """Return every published value, and what this run measured of it."""
    facts = {one.model: one for one in model_facts(suite, measurements)}
    return [
        *_of_models(published, facts),
        *_of_variants(published, suite, measurements),
        *_of_attacks(published, suite),
    ]


def _of_models(published: Published, facts: Mapping[str, ModelFacts]) -> Iterator[Beside]:
    for model, values in published.models.items():
        for name, own in MODEL_VALUES.items():
            value = getattr(values, name)
            if value is not None:
                measured = getattr(facts[model].averages, own) if model in facts else None
                attack = "" if "accuracy" in name else "mean"
                yield Beside(model, attack, name.replace("_", " ").replace("top ", "top-"), value, measured)


def _of_variants(published: Published, suite: Suite, measurements: Mapping[str, Measurement]) -> Iterator[Beside]:
    for group, attacks in published.variants.items():
        pairs = [variant for variant in suite.variants if variant.group == group]
        for attack, change in attacks.items():
            cases = [(CaseId.of(pair.base, attack), CaseId.of(pair.update, attack)) for pair in pairs]
            measured = None
            if all(base in measurements and update in measurements for base, update in cases):
                measured = _change([(measurements[base], measurements[update]) for base, update in cases])
            yield Beside(group, attack, "success rate change", change, measured)


def _change(pairs: list[tuple[Measurement, Measurement]]) -> float | None:
    """Return the mean over pairs of the change on images that both models classify correctly.

    Returns None when a case has no success rate, the images of a pair differ, or a pair has no such image.
    """
    if not all(one.has_success_rate for pair in pairs for one in pair):
        return None
    if any(base.images != update.images for base, update in pairs):
        return None
    differences = [list(success_differences(base, update).values()) for base, update in pairs]
    return fmean(map(fmean, differences)) if differences and all(differences) else None


def _of_attacks(published: Published, suite: Suite) -> Iterator[Beside]:
    for attack, parameters in published.attacks.items():
        for name, value in parameters.items():
            yield Beside("", attack, name, value, suite.all_attacks[attack].parameters.get(name))

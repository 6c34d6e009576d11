"""Facts about models and their averages over attacks, as in the paper's Table I and Figure 1, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.provenance import Architecture
from pytest_robustness.suite.suite import Suite


@dataclass(frozen=True)
class Averages:
    """Holds means over a model's attacks, or means of these over a group's models. A field without a mean is None.

    Attributes:
        success_rate, noise_rate: means of the cases' own; success rates only of the attacks that have one.
        seconds: seconds of attack per attempt, on the device of this run.
        units: the same time in gradient units.
        top_1, top_5: clean accuracy on the unselected images.
    """

    success_rate: float | None
    noise_rate: float | None
    seconds: float | None
    units: float | None
    top_1: float | None
    top_5: float | None

    @classmethod
    def of_attacks(cls, measured: Sequence[Measurement]) -> Averages:
        aggregates = [one.aggregates for one in measured]
        return cls(
            success_rate=_mean(one.aggregates.success_rate for one in measured if one.has_success_rate),
            noise_rate=_mean(one.noise_rate for one in aggregates),
            seconds=_mean(one.timing.seconds_per_attempt for one in measured),
            units=_mean(one.gradient_units for one in measured),
            top_1=aggregates[0].clean_accuracy,
            top_5=aggregates[0].top_5_accuracy,
        )

    @classmethod
    def of_models(cls, models: Sequence[Averages]) -> Averages:
        return cls(**{name: _mean(getattr(one, name) for one in models) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class ModelFacts:
    """Holds what is known of a model that was measured under all regular attacks of its suite.

    Attributes:
        architecture: None when the measurement does not tell.
        shape: channels, height and width of its input.
        peak_memory: the most bytes that one of its cases needed; None when no case tells.
    """

    model: str
    architecture: Architecture | None
    shape: Sequence[int]
    peak_memory: int | None
    averages: Averages


@dataclass(frozen=True)
class GroupFacts:
    """Holds the averages of a group whose models were all measured under all regular attacks."""

    group: str
    models: int
    averages: Averages


def model_facts(suite: Suite, measurements: Mapping[str, Measurement]) -> list[ModelFacts]:
    """Return the facts of each model whose regular cases are all in ``measurements``, in the suite's order."""
    return [
        _facts(model, [measurements[CaseId.of(model, attack)] for attack in suite.regular_attacks])
        for model in suite.models
        if suite.regular_attacks
        and measurements.keys() >= {CaseId.of(model, attack) for attack in suite.regular_attacks}
    ]


def group_facts(suite: Suite, facts: Iterable[ModelFacts]) -> list[GroupFacts]:
    """Return the averages of each group whose models are all among ``facts``."""
    known = {one.model: one.averages for one in facts}
    return [
        GroupFacts(group, len(models), Averages.of_models([known[model] for model in models]))
        for group, models in suite.groups.items()
        if known.keys() >= set(models)
    ]


def _facts(model: str, measured: Sequence[Measurement]) -> ModelFacts:
    peaks = [one.timing.peak_memory for one in measured if one.timing.peak_memory is not None]
    return ModelFacts(
        model,
        measured[0].provenance.architecture,
        measured[0].protocol.shape,
        max(peaks, default=None),
        Averages.of_attacks(measured),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values.

    Returns None when there are none, or one is missing: a mean of some would be compared with a mean of all.
    """
    given = list(values)
    known = [value for value in given if value is not None]
    return fmean(known) if known and len(known) == len(given) else None

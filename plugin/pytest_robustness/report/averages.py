"""What models are and how they did on average, as in the paper's Table I and Figure 1, as data."""

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
    """Means over a model's attacks, or over a group's models of these. None where nothing can be averaged.

    Attributes:
        success_rate, noise_rate: as of a case; success rates of the attacks that have one.
        seconds: of attack, per attempt, on the device of this run.
        units: the same in gradient units.
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
    """A model that met all attacks of its suite.

    Attributes:
        architecture: None where the measurement does not tell.
        shape: of its input: channels, height, width.
        peak_memory: bytes, the most that one of its cases needed.
    """

    model: str
    architecture: Architecture | None
    shape: Sequence[int]
    peak_memory: int | None
    averages: Averages


@dataclass(frozen=True)
class GroupFacts:
    """A group all of whose models met all attacks."""

    group: str
    models: int
    averages: Averages


def model_facts(suite: Suite, measurements: Mapping[str, Measurement]) -> list[ModelFacts]:
    """Of each model all of whose cases, by name, are in ``measurements``; in the suite's order."""
    return [
        _facts(model, [measurements[CaseId.of(model, attack)] for attack in suite.regular_attacks])
        for model in suite.models
        if suite.regular_attacks
        and measurements.keys() >= {CaseId.of(model, attack) for attack in suite.regular_attacks}
    ]


def group_facts(suite: Suite, facts: Iterable[ModelFacts]) -> list[GroupFacts]:
    """Of each group all of whose models are among ``facts``."""
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
    """None where one of them is missing: half a mean would be compared with a whole one."""
    given = list(values)
    known = [value for value in given if value is not None]
    return fmean(known) if known and len(known) == len(given) else None

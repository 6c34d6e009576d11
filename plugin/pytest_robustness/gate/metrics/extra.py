"""Metrics of other packages, shown and judged beside our own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Protocol

from pytest_robustness.errors import RobustnessError
from pytest_robustness.extensions import extensions
from pytest_robustness.gate.metrics.rules import Rules
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict


class Metric(Protocol):
    """A metric of a case's evidence, as an entry point of the group ``pytest_robustness.metrics`` names it.

    Attributes:
        name: what people call it: a column of the table, a key of the data.
    """

    name: str

    def value(self, measurement: Measurement) -> float | None:
        """Return the metric of one measurement; None where it has none."""
        ...

    def show(self, value: float) -> str:
        """Return a value as people read it, in a few characters."""
        ...

    def compare(self, baseline: Measurement, current: Measurement, rules: Rules) -> Iterable[MetricVerdict]:
        """Compare two measurements of the same images in the same order: one verdict, or none.

        A test of it is to keep to ``rules.level``, as those of our own metrics do: then all that is said of a model is
        wrong with the suite's ``alpha`` at most.
        """
        ...


@cache
def extra_metrics() -> tuple[Metric, ...]:
    """Return the metrics of other packages, by their names.

    Raises RobustnessError where one cannot be imported or lacks what a metric has.
    """
    found = []
    for declared, metric in extensions("metrics").items():
        for part in ("name", "value", "show", "compare"):
            if not hasattr(metric, part):
                raise RobustnessError(f"pytest_robustness.metrics: {declared} has no {part}: a metric needs one")
        found.append(metric)
    return tuple(found)


def compare_extra(baseline: Measurement, current: Measurement, rules: Rules) -> list[MetricVerdict]:
    """Compare two measurements by all metrics of other packages.

    Raises RobustnessError, naming the metric, where its code does.
    """
    found: list[MetricVerdict] = []
    for metric in extra_metrics():
        try:
            found += metric.compare(baseline, current, rules)
        except Exception as error:  # of their code
            raise RobustnessError(f"the metric {metric.name}: {type(error).__name__}: {error}") from error
    return found


def extra_values(measurement: Measurement) -> dict[str, float]:
    """Return what the metrics of other packages say of a measurement, by name; those that say nothing are left out."""
    values = {metric.name: metric.value(measurement) for metric in extra_metrics()}
    return {name: float(value) for name, value in values.items() if value is not None}

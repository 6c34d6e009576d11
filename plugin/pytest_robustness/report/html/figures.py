"""The charts that a report has: families of models, variants, and success over epsilon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.report.data import Attack, Case, Contrast, Report, Value
from pytest_robustness.report.html.charts import Chart, Series, grouped_bars, lines
from pytest_robustness.report.html.heat import METRICS, value_of
from pytest_robustness.report.metric_format import FORMATS

#: Parameters of an attack that may differ between the points of one curve.
SIZE = ("eps", "alpha")
MEAN = "mean"


@dataclass(frozen=True)
class Figure:
    """Holds charts of one question, side by side, and the commands that run their cases again."""

    title: str
    charts: Sequence[Chart]
    commands: Sequence[str]


def families(report: Report) -> Iterator[Figure]:
    """Yield a figure for each metric with a chart for each family: attacks on the x axis, as the paper has them."""
    grid = {case.case: case for case in report.cases}
    attacks = [attack.name for attack in report.attacks if any(case.attack == attack.name for case in report.cases)]
    for metric in METRICS:
        charts, commands = [], []
        all_series = {
            family: [_series(report, grid, model, attacks, metric) for model in models]
            for family, models in report.families.items()
        }
        beside = [one for series in all_series.values() for one in series]
        for family, series in all_series.items():
            groups = [attack for attack in attacks if any(attack in one.values for one in series)]
            chart = grouped_bars(family, FORMATS[metric], groups, series, beside)
            if chart is not None:
                charts.append(chart)
                commands.append(rerun_command(report, family))
        if charts:
            yield Figure(metric, charts, commands)


def _series(report: Report, grid: Mapping[str, Case], model: str, attacks: Sequence[str], metric: str) -> Series:
    found = {attack: value_of(grid.get(CaseId.of(model, attack)), metric) for attack in attacks}
    return Series(
        model,
        {attack: value for attack, value in found.items() if value is not None},
        {one.attack: one.value for one in report.published if (one.of, one.metric) == (model, metric)},
    )


def rerun_command(report: Report, family: str | None = None) -> str:
    """Return the command that measures a family, or all, once more."""
    grouped = family is not None and any(family in model.groups for model in report.models)
    return f"{report.provenance.rerun} -m {family}" if grouped else report.provenance.rerun


def differences(report: Report) -> Iterator[Figure]:
    """Yield a figure for each group of variants: the change in success rate from base to update."""
    groups = dict.fromkeys(one.group for one in report.contrasts if one.group)
    attacks = [*(attack.name for attack in report.attacks), MEAN]
    for group in groups:
        mine = [one for one in report.contrasts if one.group == group]
        series = [_difference(report, group, name, mine) for name in dict.fromkeys(one.models for one in mine)]
        present = [attack for attack in attacks if any(attack in one.values for one in series)]
        chart = grouped_bars(group, FORMATS["change"], present, series)
        if chart is not None:
            yield Figure(group, [chart], [rerun_command(report)])


def _difference(report: Report, group: str, name: str, contrasts: Sequence[Contrast]) -> Series:
    values = {one.attack: change for one in contrasts if one.models == name and (change := change_of(one)) is not None}
    pooled = name.startswith(f"{group} (")  # published values of a group stand at its own line
    published = {
        one.attack: one.value
        for one in report.published
        if one.metric == "change in success rate" and (one.of == name or (pooled and one.of == group))
    }
    return Series(name, values, published)


def change_of(contrast: Contrast) -> Value | None:
    """Return the change of the success rate. Returns None when there is none."""
    success = contrast.metrics.get("success rate")
    if success is None or success.change is None:
        return None
    return Value(value=success.change, interval=success.interval)


def curves(report: Report) -> Iterator[Figure]:
    """Yield a figure of success over epsilon for each attack that a suite has with several epsilons."""
    grid = {case.case: case for case in report.cases}
    for name, attacks in _same_but_for_size(report).items():
        charts = []
        for family, models in report.families.items():
            series = []
            for model in models:
                found = {
                    eps: value_of(grid.get(CaseId.of(model, attack)), "success rate") for eps, attack in attacks.items()
                }
                series.append(Series(model, {eps: value for eps, value in found.items() if value is not None}))
            chart = lines(family, FORMATS["success rate"], "epsilon", series)
            if chart is not None:
                charts.append(chart)
        if charts:
            yield Figure(name, charts, [rerun_command(report)])


def _same_but_for_size(report: Report) -> dict[str, dict[str, str]]:
    """Return, for each attack class with several epsilons, the attack by epsilon."""
    found: dict[tuple[object, ...], dict[str, str]] = {}
    for attack in report.attacks:
        eps = attack.parameters.get("eps")
        if isinstance(eps, int | float) and not isinstance(eps, bool):
            found.setdefault(_kind(attack), {}).setdefault(f"{eps:g}", attack.name)
    several = [(str(kind[0]), attacks) for kind, attacks in found.items() if len(attacks) > 1]
    return {f"{name} ({', '.join(attacks.values())})": attacks for name, attacks in several}


def _kind(attack: Attack) -> tuple[object, ...]:
    others = sorted((key, str(value)) for key, value in attack.parameters.items() if key not in SIZE)
    return (attack.attack, attack.protocol.stop if attack.protocol else "", *others)

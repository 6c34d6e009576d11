"""The page of a history: one HTML file that needs nothing else, neither scripts nor a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.report.history.build import CLEAN, METRICS
from pytest_robustness.report.history.data import History, Series, Step, Version
from pytest_robustness.report.history.sentence import is_eroded, sentence
from pytest_robustness.report.html.charts import COLOURS, Scale
from pytest_robustness.report.html.environment import environment
from pytest_robustness.report.html.timeline import Timeline, by_norm, reach, timeline
from pytest_robustness.report.metric_format import FORMATS
from pytest_robustness.report.table import amount

#: How each metric is written. Robust accuracy is a share as the success rate is.
UNITS = FORMATS | {"robust accuracy": replace(FORMATS["success rate"], name="robust accuracy, % of images", easier=-1)}
#: The most values that the tables below the charts hold together: a page is to be mailed. JSON has them all.
MOST_CELLS = 12_000
#: The most significant changes that one step shows in words.
MOST_TOLD = 6


@dataclass(frozen=True)
class Figure:
    """Holds the charts of one metric, one for each model, on one scale; and the legend of their colours."""

    title: str
    unit: str
    legend: Sequence[tuple[int, str]]
    charts: Sequence[Timeline]


@dataclass(frozen=True)
class Entry:
    """Holds a step for the list of changes: the significant ones of it in words, and how many more there are."""

    step: Step
    releases: Sequence[str]
    worse: Sequence[str]
    better: Sequence[str]
    doubtful: Sequence[str]
    breaks: Sequence[str]
    unread: Sequence[str]


@dataclass(frozen=True)
class Numbers:
    """Holds a model's values as a table: a row for each version of each of its cases."""

    model: str
    metrics: Sequence[str]
    rows: Sequence[tuple[Version, Sequence[str]]]


def render(history: History) -> str:
    """Return the whole page of a history."""
    numbers = list(_numbers(history))
    cells = sum(len(row) for one in numbers for _, row in one.rows)
    return (
        environment()
        .get_template("history.html.j2")
        .render(
            history=history,
            sentence=sentence(history),
            failed=is_eroded(history),
            compared=any(one.erosion is not None for one in history.series),
            figures=list(_figures(history)),
            eroded=_eroded(history),
            entries=list(_entries(history)),
            numbers=numbers if cells <= MOST_CELLS else [],
            too_many=cells > MOST_CELLS,
            versions=sum(len(one.versions) for one in history.series),
            problems=_problems(history),
            colours=COLOURS,
            amount=amount,
            most=MOST_TOLD,
        )
    )


def _figures(history: History) -> Iterator[Figure]:
    attacks = list(dict.fromkeys(one.attack for one in history.series))
    for metric in METRICS:
        shown = [one for one in history.series if any(metric in version.values for version in one.versions)]
        for norm, series in by_norm(metric, shown).items():
            title = f"{metric}, L{norm}" if norm else metric
            colours = {name: colour for colour, name in enumerate(attacks) if any(one.attack == name for one in series)}
            yield from _figure(title, metric, series, colours, history)
    clean = [_clean(model, series) for model, series in _by_model(history.series).items()]
    yield from _figure(CLEAN, CLEAN, [one for one in clean if one.versions], {"": 0}, history)


def _figure(
    title: str, metric: str, series: Sequence[Series], colours: Mapping[str, int], history: History
) -> Iterator[Figure]:
    unit = UNITS[metric]
    values = [version.values[metric] for one in series for version in one.versions if metric in version.values]
    scale = Scale.over([*reach(values), *([unit.most] if unit.most else [])])
    charts = []
    for model, mine in _by_model(series).items():
        chart = timeline(model, metric, unit, [(colours[one.attack], one) for one in mine], history, scale)
        if chart is not None:
            charts.append(chart)
    if charts:
        legend = [(colour, name) for name, colour in colours.items() if name]
        yield Figure(title, unit.name, legend, charts)


def _by_model(series: Sequence[Series]) -> dict[str, list[Series]]:
    found: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        found[one.model].append(one)
    return found


def _clean(model: str, series: Sequence[Series]) -> Series:
    """Return the line of a model's clean accuracy, which all of its cases state: of each step the first to do so."""
    found: dict[int, Version] = {}
    for one in series:
        for version in one.versions:
            if CLEAN in version.values:
                found.setdefault(version.step, version)
    return Series(case=model, model=model, attack="", versions=[found[step] for step in sorted(found)])


def _eroded(history: History) -> list[tuple[Series, MetricVerdict]]:
    """Return what moved beyond its tolerance since the first version, the surest first."""
    found = [
        (one, metric)
        for one in history.series
        if one.erosion is not None
        for metric in one.erosion.metrics
        if metric.moved and metric.metric in (*METRICS, CLEAN)
    ]
    return sorted(found, key=lambda both: (not both[1].worse, both[1].p_value if both[1].p_value is not None else 0.0))


def _entries(history: History) -> Iterator[Entry]:
    """Yield the steps, the newest first."""
    versions: dict[int, list[Version]] = defaultdict(list)
    for one in history.series:
        for version in one.versions:
            versions[version.step].append(version)
    for step in reversed(history.steps):
        mine = versions[step.number]
        told: dict[str, list[str]] = defaultdict(list)
        for version in mine:
            for metric in version.significant:
                kind = "doubtful" if metric.outcome == "suspicious" else "worse" if metric.worse else "better"
                told[kind].append(f"{version.case}: {metric.text}")
        yield Entry(
            step=step,
            releases=[tag.name for tag in history.tags if tag.after == step.number],
            worse=told["worse"],
            better=told["better"],
            doubtful=told["doubtful"],
            breaks=_counted((version.breaks, version.case) for version in mine if version.breaks is not None),
            unread=_counted((bad.problem, bad.case) for bad in history.unreadable if bad.step == step.number),
        )


def _counted(pairs: Iterator[tuple[str, str]]) -> list[str]:
    """Return each reason once, with the cases it is of: named when they are few."""
    groups: dict[str, list[str]] = defaultdict(list)
    for why, case in pairs:
        groups[why].append(case)
    return [f"{', '.join(cases) if len(cases) < 4 else f'{len(cases)} cases'}: {why}" for why, cases in groups.items()]


def _problems(history: History) -> list[tuple[str, Sequence[str]]]:
    """Return why versions cannot be read, and which: by commit and file."""
    groups: dict[str, list[str]] = defaultdict(list)
    for bad in history.unreadable:
        groups[bad.problem].append(f"{bad.commit[:9]} {bad.path}")
    return list(groups.items())


def _numbers(history: History) -> Iterator[Numbers]:
    for model, series in sorted(_by_model(history.series).items()):
        rows = [version for one in series for version in one.versions]
        metrics = [name for name in (*METRICS, CLEAN) if any(name in version.values for version in rows)]
        rows.sort(key=lambda version: (CaseId(version.case).attack, version.step))
        yield Numbers(
            model,
            metrics,
            [
                (
                    version,
                    [UNITS[name].words(version.values[name]) if name in version.values else "-" for name in metrics],
                )
                for version in rows
            ],
        )

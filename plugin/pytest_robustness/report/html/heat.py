"""The grid of models and attacks, a table for each metric, shaded by how easy the attack is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.report.data import Case, Report, Value
from pytest_robustness.report.metric_format import FORMATS

#: Matplotlib's cividis, which looks the same to colour-blind people: a dark blue, then greys, then a bright yellow.
CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")
METRICS = {
    "success rate": "success_rate",
    "distance": "distance",
    "noise rate": "noise_rate",
    "effort": "effort",
    "time": "time",
}


@dataclass(frozen=True)
class Cell:
    """Holds one case of a grid: its text, its words in full, its colours, and a mark if it regressed or improved."""

    text: str
    words: str
    paper: str | None = None
    ink: str | None = None
    mark: str = ""


@dataclass(frozen=True)
class Heat:
    metric: str
    unit: str
    absolute: bool
    attacks: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def heats(report: Report) -> list[Heat]:
    """Return a grid for each metric that any case has."""
    grid = {case.case: case for case in report.cases}
    models = [model.name for model in report.models if any(case.model == model.name for case in report.cases)]
    attacks = [attack.name for attack in report.attacks if any(case.attack == attack.name for case in report.cases)]
    found = [_heat(metric, grid, models, attacks) for metric in METRICS]
    return [heat for heat in found if any(cell.paper for _, row in heat.rows for cell in row)]


def _heat(metric: str, grid: Mapping[str, Case], models: Sequence[str], attacks: Sequence[str]) -> Heat:
    columns = {attack: _range(metric, [grid.get(CaseId.of(model, attack)) for model in models]) for attack in attacks}
    rows = [
        (model, [_cell(metric, grid.get(CaseId.of(model, attack)), columns[attack]) for attack in attacks])
        for model in models
    ]
    return Heat(metric, FORMATS[metric].name, FORMATS[metric].most is not None, attacks, rows)


def value_of(case: Case | None, metric: str) -> Value | None:
    return None if case is None else getattr(case, METRICS[metric])


def _range(metric: str, cases: Sequence[Case | None]) -> tuple[float, float]:
    """Return the range of the colours: all that is possible, or what occurs under one attack."""
    most = FORMATS[metric].most
    values = [value.value for case in cases if (value := value_of(case, metric)) is not None]
    return (0.0, most) if most is not None else (min(values, default=0.0), max(values, default=0.0))


def _cell(metric: str, case: Case | None, reach: tuple[float, float]) -> Cell:
    if case is None:
        return Cell("", "not run")
    value = value_of(case, metric)
    if value is None:
        return Cell(
            "-" if case.measured else case.word, f"{case.case}: {'not measured' if case.measured else case.word}"
        )
    unit = FORMATS[metric]
    low, high = reach
    share = (value.value - low) / (high - low) if high > low else 0.5
    paper = colour(share if unit.easier > 0 else 1 - share)
    change = case.metric(metric)
    mark = {"regressed": "▼", "improved": "▲"}.get(change.outcome, "") if change else ""
    words = f"{case.case}: {metric} {unit.words(value)}" + (f"; {change.text}" if change else "")
    return Cell(unit.show(value.value), words, paper, ink(paper), mark)


def colour(share: float) -> str:
    """Return the colour of a share in [0, 1], between the two nearest of the map's colours."""
    place = min(max(share, 0.0), 1.0) * (len(CIVIDIS) - 1)
    low = min(int(place), len(CIVIDIS) - 2)
    pairs = zip(_rgb(CIVIDIS[low]), _rgb(CIVIDIS[low + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * (place - low)):02x}" for a, b in pairs)


def ink(paper: str) -> str:
    """Return black or white, whichever has the larger contrast by WCAG's relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(paper))]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#fff"


def _rgb(text: str) -> tuple[int, ...]:
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))

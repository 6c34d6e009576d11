"""The tables at the end of a run, as lines of text."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.gate.metrics import extra_metrics, extra_values, percent, points
from pytest_robustness.gate.statistics import wilson
from pytest_robustness.gate.variants import Contrast
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.evidence import Aggregates
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import MetricVerdict, Verdict
from pytest_robustness.report.text import columns, printable

HEADER = ("model", "attack", "success rate", "noise rate", "effort", "time", "change", "verdict")
#: Columns that are there only when a case has a value. The first stands before the success rate and is the baseline's,
#: on the same images; the second stands behind it.
BASELINE, DISTANCE = "baseline", "distance"
NAMES = {BASELINE: BASELINE, DISTANCE: DISTANCE}
LEGEND = (
    "[95 % intervals]; effort: gradient evaluations until fooled; time: of an attempt, in forward + backward passes"
)
#: Metrics whose changes are points.
RATES = ("success rate", "robust accuracy", "clean accuracy")
VARIANTS = ("base -> update", "attack", "success rate", "p", "noise rate", "effort", "clean accuracy")
#: Of these, the metrics that follow the p value.
OTHERS = ("noise rate", "effort", "clean accuracy")


@dataclass(frozen=True)
class Row:
    """Holds a case as the table shows it. ``measurement`` is None when the case did not get that far."""

    case: str
    status: str
    failed: bool
    measurement: Measurement | None = None
    verdict: Verdict | None = None


def table(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Return the lines, failures first, and whether each is a failure's. The first line is the header."""
    ordered = sorted(rows, key=lambda row: not row.failed)
    kept = {
        BASELINE: any(_baseline(row) is not None for row in rows),
        DISTANCE: any(row.measurement and row.measurement.evidence.distance is not None for row in rows),
    }
    extra = extra_metrics()
    cells: list[Sequence[str]] = [_with((*HEADER[:-2], *(one.name for one in extra), *HEADER[-2:]), NAMES, kept)]
    for row in ordered:
        distance = row.measurement.aggregates.distance if row.measurement else None
        more = {BASELINE: _shown(_baseline(row), "{:.1%}"), DISTANCE: _shown(distance, "{:.3g}")}
        cells.append(_with(_cells(row), more, kept))
    lines = aligned(cells, right=range(2, 6 + sum(kept.values()) + len(extra)))
    return list(zip(lines, (False, *(row.failed for row in ordered)), strict=True))


def variants_table(contrasts: Iterable[Contrast]) -> list[str]:
    """Return a line for each comparison of variants. The first line is the header."""
    lines = list(contrasts)
    others = other_metrics(one.metrics for one in lines)
    header = (*VARIANTS[: -len(OTHERS)], *others)
    return aligned([header, *(_contrast(one, others) for one in lines)], right=range(3, 4))


def other_metrics(contrasts: Iterable[Mapping[str, MetricVerdict]]) -> Sequence[str]:
    """Return what a comparison of variants shows besides the success rate: distances only when there are any."""
    return (DISTANCE, *OTHERS) if any(DISTANCE in metrics for metrics in contrasts) else OTHERS


def aligned(cells: Sequence[Sequence[str]], right: Container[int]) -> list[str]:
    """Return lines whose cells are below one another, with two spaces between columns."""
    cells = [[printable(text) for text in line] for line in cells]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            _filled(text, width, right=column in right)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _filled(text: str, width: int, *, right: bool) -> str:
    room = " " * (width - columns(text))
    return room + text if right else text + room


def _with(cells: Sequence[str], more: Mapping[str, str], kept: Mapping[str, bool]) -> Sequence[str]:
    before, behind = ([more[name]] if kept[name] else [] for name in (BASELINE, DISTANCE))
    return (*cells[:2], *before, cells[2], *behind, *cells[3:])


def _baseline(row: Row) -> float | None:
    """Return the success rate of the baseline, on the images that are compared. Returns None when there is none."""
    success = row.verdict.metric("success rate") if row.verdict else None
    return None if success is None else success.before


def _cells(row: Row) -> tuple[str, ...]:
    model, attack = CaseId(row.case).model, CaseId(row.case).attack
    extra = extra_metrics()
    if row.measurement is None:
        return (model, attack, "-", "-", "-", "-", *("-" for _ in extra), "-", row.status)
    values = extra_values(row.measurement)
    aggregates = row.measurement.aggregates
    one_step = row.measurement.budget == 1
    return (
        model,
        attack,
        _rate(aggregates) if row.measurement.has_success_rate else "-",
        _shown(aggregates.noise_rate, "{:.5f}"),
        _shown(None if one_step else aggregates.effort, "{:.2f}"),
        _shown(row.measurement.gradient_units, "{:.2f}"),
        *(one.show(values[one.name]) if one.name in values else "-" for one in extra),
        _change(row.verdict),
        row.status,
    )


def _rate(aggregates: Aggregates) -> str:
    if aggregates.success_rate is None:
        return "-"
    low, high = wilson(aggregates.successes, aggregates.attempts)
    return f"{aggregates.success_rate:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def _shown(value: float | None, pattern: str) -> str:
    return "-" if value is None else pattern.format(value)


def _change(verdict: Verdict | None) -> str:
    """Return the change of the success rate, and of the first other metric that moved; the reason has them all."""
    if verdict is None or not verdict.metrics:
        return "-"
    success = verdict.metric("success rate")
    others = [metric for metric in verdict.moved if metric.metric != "success rate"]
    shown = [] if success is None or success.change is None else [amount(success)]
    shown += [f"{metric.metric} {amount(metric).partition(' [')[0]}" for metric in others[:1] if metric.change]
    return ", ".join(shown) or "-"


def amount(metric: MetricVerdict | None) -> str:
    """Return a metric's change, and how sure it is."""
    if metric is None or metric.change is None:
        return "-"
    show = points if metric.metric in RATES else percent
    return show(metric.change, metric.interval)


def _contrast(one: Contrast, others: Sequence[str]) -> tuple[str, ...]:
    success = one.metrics.get("success rate")
    shown = (amount(one.metrics.get(name)) for name in others)
    return (one.models, one.attack, amount(success), two_sided(success), *shown)


def two_sided(metric: MetricVerdict | None) -> str:
    """Return the p value of a comparison that had no direction beforehand."""
    return "-" if metric is None or metric.p_value is None else f"{min(1.0, 2 * metric.p_value):.2g}"

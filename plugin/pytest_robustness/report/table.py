"""The table at the end of a run, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_robustness.gate.verdicts import MetricVerdict, Verdict
from pytest_robustness.records import Measurement

HEADER = ("model", "attack", "success rate", "noise rate", "effort", "time", "change", "verdict")
LEGEND = "effort: gradient evaluations until fooled; time: in forward + backward passes of the same batch"


@dataclass(frozen=True)
class Row:
    """A case as the table shows it; without a measurement it did not get that far."""

    case: str
    word: str
    failed: bool
    measurement: Measurement | None = None
    verdict: Verdict | None = None


def table(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Lines, failures first, and whether each is a failure's. The first line is the header."""
    ordered = sorted(rows, key=lambda row: not row.failed)
    cells = [HEADER, *(_cells(row) for row in ordered)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    numbers = range(2, 6)
    lines = [
        "  ".join(
            text.rjust(width) if column in numbers else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return list(zip(lines, (False, *(row.failed for row in ordered)), strict=True))


def _cells(row: Row) -> tuple[str, ...]:
    model, _, attack = row.case.partition("/")
    if row.measurement is None:
        return (model, attack, "-", "-", "-", "-", "-", row.word)
    aggregates, timing = row.measurement.aggregates, row.measurement.timing
    one_step = row.measurement.budget == 1
    return (
        model,
        attack,
        _shown(aggregates.success_rate, "{:.1%}"),
        _shown(aggregates.noise_rate, "{:.5f}"),
        _shown(None if one_step else aggregates.effort, "{:.2f}"),
        _shown(timing.gradient_units, "{:.2f}"),
        _change(row.verdict),
        row.word,
    )


def _shown(value: float | None, pattern: str) -> str:
    return "-" if value is None else pattern.format(value)


def _change(verdict: Verdict | None) -> str:
    """Of the success rate, and of the first other metric that left its tolerance; the reason has them all."""
    if verdict is None or not verdict.metrics:
        return "-"
    success = verdict.metric("success rate")
    others = [metric for metric in verdict.moved if metric.metric != "success rate"]
    shown = [metric for metric in (success, *others[:1]) if metric is not None and metric.change is not None]
    return ", ".join(_amount(metric) for metric in shown) or "-"


def _amount(metric: MetricVerdict) -> str:
    change = metric.change or 0.0
    amount = f"{100 * change:+.1f} pp" if metric.metric in ("success rate", "clean accuracy") else f"{change:+.0%}"
    return amount if metric.metric == "success rate" else f"{metric.metric} {amount}"

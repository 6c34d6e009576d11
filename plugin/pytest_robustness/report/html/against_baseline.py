"""The geometry of what the page shows against the baseline: worst cases, slices, curves and ratios of distances."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_robustness.report.data import Case, Model, Report, Slice
from pytest_robustness.report.metric_format import FORMATS

#: The most cases whose slices are drawn, and the most whose curves are. The data has all of them.
CASES = 24
#: Width and height of a small chart's plot, in pixels. With its labels it fits on a phone.
WIDTH, HEIGHT = 232, 130
#: The share of attempts up to which a security curve is drawn. The last images may be very far away.
SHOWN = 0.95
#: Ratios of distances beyond which dots are drawn at the edge.
EDGE = math.log(4)
#: Width of the plot of dots, and the height of one case's dots.
DOTS, ROW = 330, 26
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class WorstCase:
    """Holds a model's line: its value, its baseline and its interval as shares, and all in words."""

    model: str
    value: float
    baseline: float | None
    low: float
    high: float
    words: str
    change: str
    attacks: str


def worst_cases(report: Report) -> list[WorstCase]:
    """Return a line for each model with attacks in a ball, the least robust first."""
    found = [line for model in report.models if (line := _worst_case(model)) is not None]
    return sorted(found, key=lambda one: one.value)


def _worst_case(model: Model) -> WorstCase | None:
    worst = model.worst_case
    if worst is None:
        return None
    value, before = worst.robust_accuracy, worst.baseline
    low, high = value.interval or (value.value, value.value)
    return WorstCase(
        model=model.name,
        value=value.value,
        baseline=before,
        low=low,
        high=high,
        words=FORMATS["clean accuracy"].words(value),
        change="-" if before is None else f"{100 * (value.value - before):+.1f} pp",
        attacks=", ".join(worst.attacks),
    )


@dataclass(frozen=True)
class SliceLine:
    """Holds a slice: its places on the axis before and now, in pixels, and its words."""

    name: str
    y: float
    before: float | None
    now: float | None
    worse: bool
    words: str


@dataclass(frozen=True)
class SliceChart:
    """Holds the slices of a case. ``ticks`` are (place, text)."""

    title: str
    unit: str
    height: float
    lines: Sequence[SliceLine]
    ticks: Sequence[tuple[float, str]]


def slice_charts(report: Report) -> list[SliceChart]:
    """Return a chart for each case in which images of a slice moved, those that failed first.

    When none moved, it is the first case of each model that has slices. At most ``CASES`` are returned.
    """
    with_slices = [case for case in report.cases if any(one.value is not None for one in case.slices)]
    moved = [case for case in with_slices if any(one.lost or one.won for one in case.slices)]
    firsts = list({case.model: case for case in reversed(with_slices)}.values())[::-1]
    ordered = sorted(moved or firsts, key=lambda case: (not case.failed, -max(one.lost for one in case.slices)))
    return [_slice_chart(case) for case in ordered[:CASES]]


def _slice_chart(case: Case) -> SliceChart:
    metric = case.slices[0].metric
    values = [value for one in case.slices for value in (one.value, one.baseline) if value is not None]
    most = 1.0 if metric == "success rate" else max(values, default=1.0) or 1.0
    row = 19
    lines = [_slice_line(one, row * (i + 0.5), most) for i, one in enumerate(case.slices)]
    ticks = [(WIDTH * part, FORMATS[metric].tick(most * part, most / 2)) for part in (0.0, 0.5, 1.0)]
    if metric == "distance":
        ticks = [(WIDTH * part, f"{most * part:.2g}") for part in (0.0, 0.5, 1.0)]
    return SliceChart(case.case, FORMATS[metric].name, row * len(lines), lines, ticks)


def _slice_line(one: Slice, y: float, most: float) -> SliceLine:
    unit = FORMATS[one.metric]

    def place(value: float | None) -> float | None:
        return None if value is None else round(WIDTH * value / most, 1)

    easier = 0.0 if one.value is None or one.baseline is None else (one.value - one.baseline) * unit.easier
    before, now = ("-" if value is None else unit.show(value) for value in (one.baseline, one.value))
    lost = f"{one.lost} {'nearer' if one.metric == 'distance' else 'lost'}"
    won = f"{one.won} {'farther' if one.metric == 'distance' else 'won'}"
    return SliceLine(
        name=one.name,
        y=y,
        before=place(one.baseline),
        now=place(one.value),
        worse=easier > 0,
        words=f"{one.name}: {before} -> {now} on {one.images} images, {lost}, {won}",
    )


@dataclass(frozen=True)
class CurveChart:
    """Holds two security curves of a case as polylines, ticks of both axes, and the suite's epsilons on the first."""

    title: str
    norm: str
    now: str
    before: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    epsilons: Sequence[tuple[float, str]]
    words: str


def curve_charts(report: Report) -> list[CurveChart]:
    """Return a chart for each case with distances, at most ``CASES``; cases whose curve moved come first."""
    found = [case for case in report.cases if case.security_curve]
    found.sort(key=lambda case: (not case.failed, case.security_curve == case.baseline_curve))
    return [_curve_chart(report, case) for case in found[:CASES]]


def _curve_chart(report: Report, case: Case) -> CurveChart:
    norms = {attack.name: attack.protocol.distance if attack.protocol else None for attack in report.attacks}
    norm = norms.get(case.attack)
    epsilons = sorted({float(eps) for attack in report.attacks if (eps := _epsilon(attack.parameters, norm))})
    curves = case.security_curve, case.baseline_curve
    reach = [radius for curve in curves for radius, share in curve if share <= SHOWN]
    reach = reach or [radius for curve in curves for radius, _ in curve[:1]]
    widest = max([*reach, *epsilons]) * 1.04 or 1.0

    def x(radius: float) -> float:
        return round(WIDTH * radius / widest, 1)

    def y(share: float) -> float:
        return round(HEIGHT * (1 - share), 1)

    def path(curve: Sequence[tuple[float, float]]) -> str:
        points = [(0.0, 0.0), *((radius, share) for radius, share in curve if radius <= widest)]
        return " ".join(f"{x(radius)},{y(share)}" for radius, share in points)

    told = [f"{share:.0%} within {radius:.3g}" for radius, share in case.security_curve]
    return CurveChart(
        title=case.case,
        norm=f"L-{'infinity' if norm == 'inf' else norm} distance" if norm else "distance",
        now=path(case.security_curve),
        before=path(case.baseline_curve) if case.baseline_curve else "",
        x_ticks=[(round(WIDTH * part, 1), f"{widest * part:.2g}") for part in (0.0, 0.5, 1.0)],
        y_ticks=[(y(share), f"{share:.0%}") for share in (0.0, 0.5, 1.0)],
        epsilons=[(x(eps), f"{eps:g}") for eps in epsilons],
        words=f"{case.case}: {', '.join(told)}",
    )


def _epsilon(parameters: dict[str, bool | int | float | str], norm: str | None) -> float | None:
    """Return an attack's epsilon when it is in this norm. Attacks without a parameter ``norm`` are in L-infinity."""
    eps = parameters.get("eps")
    same = norm is not None and str(parameters.get("norm", "inf")) == norm
    return float(eps) if same and isinstance(eps, int | float) and not isinstance(eps, bool) and eps > 0 else None


@dataclass(frozen=True)
class DotLine:
    """Holds a case's dots as one path, its median, and its words. Places are pixels."""

    case: str
    path: str
    middle: float
    words: str


def dot_lines(report: Report) -> list[DotLine]:
    """Return a line of dots for each case with ratios of distances that changed: nearer to the left of the middle."""
    return [_dot_line(case) for case in report.cases if case.log_ratios][:CASES]


def dot_ticks() -> list[tuple[float, str]]:
    """Return the ticks of the axis of dots, as (place, text)."""
    return [(_dot(math.log(ratio)), f"{TIMES}{ratio:g}") for ratio in (0.25, 0.5, 1, 2, 4)]


def _dot(log: float) -> float:
    return round(DOTS * (0.5 + 0.5 * max(-1.0, min(1.0, log / EDGE))), 1)


def _dot_line(case: Case) -> DotLine:
    logs = case.log_ratios
    middle = logs[len(logs) // 2] if len(logs) % 2 else (logs[len(logs) // 2 - 1] + logs[len(logs) // 2]) / 2
    dots = "".join(f"M{_dot(log)} {height}h0" for log, height in zip(logs, _heights(len(logs)), strict=True))
    nearer = sum(log < 0 for log in logs)
    words = f"{case.case}: median {TIMES}{math.exp(middle):.3g}, {nearer} of {len(logs)} dots nearer than before"
    return DotLine(case.case, dots, _dot(middle), words)


def _heights(count: int) -> Iterator[float]:
    """Yield heights that keep neighbours apart: multiples of the golden ratio, which never meet."""
    for i in range(count):
        yield round(4 + (ROW - 8) * (i * 0.6180339887 % 1), 1)

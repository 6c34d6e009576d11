"""Charts as geometry, which a template draws as SVG, and the same numbers as a table for those who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_robustness.report.data import Value
from pytest_robustness.report.metric_format import MetricFormat

#: Number of colours. They are Okabe and Ito's, which colour-blind people tell apart, in pairs of dark and light.
COLOURS = 8
HEIGHT, TOP, BOTTOM, LEFT = 210, 12, 26, 46
BAR, GAP, LABEL = 11, 16, 30
NARROWEST = 150


@dataclass(frozen=True)
class Mark:
    """Holds a bar or a point of a line: its place, its value in words, and where interval and published value are."""

    x: float
    y: float
    height: float
    colour: int
    words: str
    whisker: tuple[float, float] | None = None
    published: float | None = None


@dataclass(frozen=True)
class Chart:
    """Holds everything a template needs. ``table`` has a header and rows; ``ticks`` are (place, text)."""

    title: str
    unit: str
    width: float
    marks: Sequence[Mark]
    ticks: Sequence[tuple[float, str]]
    groups: Sequence[tuple[float, str]]
    legend: Sequence[tuple[int, str]]
    table: Sequence[Sequence[str]]
    zero: float
    lines: Sequence[tuple[int, str]] = ()
    height: float = HEIGHT
    bar: float = BAR
    left: float = LEFT
    published: bool = False

    @property
    def floor(self) -> float:
        return self.height - BOTTOM


@dataclass(frozen=True)
class Scale:
    """Turns values into vertical places: the larger, the higher up."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Scale:
        """Return a scale with round numbers at its ends, around all values and zero."""
        low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
        span = max(high - low, 1e-300) if high > low else 1.0  # a quarter of the smallest float would be 0
        power = 10 ** math.floor(math.log10(span / 4))
        step = next(digit * power for digit in (1, 2, 2.5, 5, 10, 20) if span / (digit * power) <= 5)
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step or step, step)

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)

    def ticks(self, unit: MetricFormat) -> list[tuple[float, str]]:
        count = round((self.high - self.low) / self.step)
        values = [self.low + i * self.step for i in range(count + 1)]
        return [(self.place(value), unit.tick(value, self.step)) for value in values]


@dataclass(frozen=True)
class Series:
    """Holds what is drawn in one colour: its name and its values by group."""

    name: str
    values: Mapping[str, Value]
    published: Mapping[str, float] = field(default_factory=dict)


def grouped_bars(
    title: str, unit: MetricFormat, groups: Sequence[str], series: Sequence[Series], beside: Sequence[Series] = ()
) -> Chart | None:
    """Return a chart with groups on the x axis and a bar for each series in each of them.

    Returns None when there is nothing to draw. The scale has room for the series of the charts ``beside`` it, so that
    bars can be compared across them.
    """
    shown = [one for one in series if one.values]
    if not shown:
        return None
    scale = _scale([*shown, *beside])
    marks, places, x = [], [], LEFT + GAP / 2
    for group in groups:
        start = x
        room = max(len(shown) * BAR, LABEL)
        x += (room - len(shown) * BAR) / 2
        for colour, one in enumerate(shown):
            value, other = one.values.get(group), one.published.get(group)
            if value is not None:
                words = f"{one.name}, {group}: {unit.words(value)}" + _beside(unit, other)
                marks.append(_bar(scale, x, value, colour, words, other))
            x += BAR
        places.append((start + room / 2, group))
        x = start + room + GAP
    return Chart(
        title=title,
        unit=unit.name,
        width=max(NARROWEST, x - GAP / 2),
        marks=marks,
        ticks=scale.ticks(unit),
        groups=places,
        legend=[(colour, one.name) for colour, one in enumerate(shown)],
        table=_table(unit, groups, shown),
        zero=scale.place(0),
        published=any(one.published for one in shown),
    )


def _scale(series: Sequence[Series]) -> Scale:
    reach = [end for one in series for value in one.values.values() for end in (value.value, *(value.interval or ()))]
    return Scale.over([*reach, *(value for one in series for value in one.published.values())])


def _bar(scale: Scale, x: float, value: Value, colour: int, words: str, published: float | None) -> Mark:
    zero, end = scale.place(0), scale.place(value.value)
    return Mark(
        x=x,
        y=min(zero, end),
        height=max(abs(end - zero), 0.8),
        colour=colour,
        words=words,
        whisker=_whisker(scale, value),
        published=None if published is None else scale.place(published),
    )


def _whisker(scale: Scale, value: Value) -> tuple[float, float] | None:
    if value.interval is None:
        return None
    low, high = value.interval
    return scale.place(high), scale.place(low)


def _beside(unit: MetricFormat, published: float | None) -> str:
    return "" if published is None else f"; published: {unit.show(published)}"


def _table(unit: MetricFormat, groups: Sequence[str], series: Sequence[Series]) -> list[list[str]]:
    rows = [["", *groups]]
    for one in series:
        cells = []
        for group in groups:
            value = one.values.get(group)
            cells.append("-" if value is None else unit.words(value) + _beside(unit, one.published.get(group)))
        rows.append([one.name, *cells])
    return rows


def lines(title: str, unit: MetricFormat, x_name: str, series: Sequence[Series]) -> Chart | None:
    """Return a chart of values over a quantity, with a line for each series that has several values.

    Groups are the quantity's values as text. Returns None when there is nothing to draw.
    """
    shown = [one for one in series if len(one.values) > 1]
    if not shown:
        return None
    scale = _scale(shown)
    positions = sorted({group for one in shown for group in one.values}, key=float)
    widest, width = float(positions[-1]), 330.0

    def across(group: str) -> float:
        return round(LEFT + 8 + (width - LEFT - 24) * float(group) / widest, 1)

    marks, paths = [], []
    for colour, one in enumerate(shown):
        points = []
        for group in positions:
            value = one.values.get(group)
            if value is None:
                continue
            x, y = across(group), scale.place(value.value)
            points.append(f"{x},{y}")
            words = f"{one.name}, {x_name} {group}: {unit.words(value)}"
            marks.append(Mark(x=x, y=y, height=0, colour=colour, words=words, whisker=_whisker(scale, value)))
        paths.append((colour, " ".join(points)))
    return Chart(
        title=title,
        unit=unit.name,
        width=width,
        marks=marks,
        ticks=scale.ticks(unit),
        groups=[(across(group), group) for group in positions],
        legend=[(colour, one.name) for colour, one in enumerate(shown)],
        table=_table(unit, [f"{x_name} {group}" for group in positions], _renamed(shown, x_name)),
        zero=scale.place(0),
        lines=paths,
        bar=0,
    )


def _renamed(series: Sequence[Series], x_name: str) -> list[Series]:
    return [Series(one.name, {f"{x_name} {group}": value for group, value in one.values.items()}) for one in series]


@dataclass(frozen=True)
class BeforeAfter:
    """Holds one metric before and after, as two horizontal bars. Lengths are shares of the width, in [0, 1]."""

    metric: str
    before: float
    after: float
    low: float | None
    high: float | None
    before_text: str
    after_text: str
    words: str
    worse: bool


def before_after(
    metric: str,
    unit: MetricFormat,
    before: float,
    after: float,
    interval: tuple[float, float] | None,
    words: str,
    *,
    worse: bool,
) -> BeforeAfter:
    """Return a metric's bars. ``interval`` is that of the value after, from the comparison on the same images."""
    widest = max(before, after, *(interval or ()), 0.0) or 1.0
    if unit.most is not None:
        widest = unit.most
    low, high = interval or (None, None)
    return BeforeAfter(
        metric=metric,
        before=max(before, 0.0) / widest,
        after=max(after, 0.0) / widest,
        low=None if low is None else min(max(low, 0.0) / widest, 1.0),
        high=None if high is None else min(max(high, 0.0) / widest, 1.0),
        before_text=unit.show(before),
        after_text=unit.show(after),
        words=words,
        worse=worse,
    )


@dataclass(frozen=True)
class Span:
    """Holds a change with its interval on an axis around zero, as shares of the width."""

    value: float
    low: float
    high: float
    zero: float


def spans(values: Sequence[Value]) -> list[Span]:
    """Return the spans of changes, on one axis for all."""
    reach = [0.0, *(end for value in values for end in (value.value, *(value.interval or ())))]
    low, high = min(reach), max(reach)
    width = high - low or 1.0

    def share(value: float) -> float:
        return float(round(0.03 + 0.94 * (value - low) / width, 4))

    found = []
    for value in values:
        ends = value.interval or (value.value, value.value)
        found.append(Span(share(value.value), share(ends[0]), share(ends[1]), share(0.0)))
    return found

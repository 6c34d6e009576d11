"""Timelines as geometry: values over the commits that changed them, a line for each attack, which a template draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.report.data import Value
from pytest_robustness.report.history.data import History, Series, Version
from pytest_robustness.report.html.charts import BOTTOM, HEIGHT, LEFT, TOP, Scale
from pytest_robustness.report.metric_format import MetricFormat

WIDTH, RIGHT = 320.0, 12
#: The widest step between two commits, and the narrowest room that the name of a tag takes a character.
STEP, CHARACTER = 44.0, 6.2


@dataclass(frozen=True)
class Dot:
    """Holds a significant step: its place, its kind (worse, better or doubtful), and what it was in words."""

    x: float
    y: float
    kind: str
    words: str


@dataclass(frozen=True)
class Line:
    """Holds one line, as the paths of SVG: through the values, of small points, and of the intervals."""

    colour: int
    name: str
    path: str
    points: str
    whiskers: str


@dataclass(frozen=True)
class Timeline:
    """Holds everything a template needs for one chart.

    ``releases`` are (place, name, whether there is room for the name); ``breaks`` are (place, reason); ``unread`` are
    (place, reason); ``ends`` are the dates below the axis.
    """

    title: str
    unit: str
    lines: Sequence[Line]
    dots: Sequence[Dot]
    ticks: Sequence[tuple[float, str]]
    numbers: Sequence[tuple[float, str]]
    releases: Sequence[tuple[float, str, bool]]
    breaks: Sequence[tuple[float, str]]
    unread: Sequence[tuple[float, str]]
    words: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    top: float = TOP

    @property
    def floor(self) -> float:
        """The vertical place of the axis."""
        return self.height - BOTTOM


@dataclass(frozen=True)
class Axis:
    """Turns the numbers of steps into horizontal places: each commit takes the same room, whatever its date."""

    first: int
    last: int

    @classmethod
    def of(cls, history: History) -> Axis:
        start = any(version.step == 0 for one in history.series for version in one.versions)
        return cls(0 if start else 1, max(len(history.steps), 1))

    def place(self, step: float) -> float:
        room = WIDTH - LEFT - RIGHT - 10
        each = min(STEP, room / max(1, self.last - self.first))
        return round(LEFT + 10 + (step - self.first) * each, 1)

    def numbers(self) -> list[tuple[float, str]]:
        """Return the ticks: the numbers of steps, as many as there is room for."""
        each = self.place(self.first + 1) - self.place(self.first)
        stride = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if size * each >= 22)
        shown = [step for step in range(self.first, self.last + 1) if step in (self.first, 1) or step % stride == 0]
        crowded = {1} if self.first == 0 and each < 22 else set()
        return [(self.place(step), str(step) if step else "start") for step in shown if step not in crowded]


def timeline(
    title: str, metric: str, unit: MetricFormat, series: Sequence[tuple[int, Series]], history: History, scale: Scale
) -> Timeline | None:
    """Return the chart of one metric of one model. Returns None when there is nothing to draw.

    Args:
        title: whose values they are.
        metric, unit: what is drawn, and how it is written.
        series: the model's cases, each with the number of its colour.
        history: what they are part of.
        scale: the vertical scale, the same for all charts beside this one.
    """
    axis = Axis.of(history)
    drawn = [(colour, one) for colour, one in series if any(metric in version.values for version in one.versions)]
    if not drawn:
        return None
    breaks = {
        version.step: version.breaks for _, one in drawn for version in one.versions if version.breaks is not None
    }
    cases = {version.case for _, one in drawn for version in one.versions}
    unread = {bad.step: f"{bad.case}: {bad.problem}" for bad in history.unreadable if bad.case in cases}
    return Timeline(
        title=title,
        unit=unit.name,
        lines=[_line(colour, one, metric, axis, scale) for colour, one in drawn],
        dots=[dot for _, one in drawn for dot in _dots(one, metric, axis, scale)],
        ticks=scale.ticks(unit),
        numbers=axis.numbers(),
        releases=_releases(history, axis),
        breaks=[(axis.place(step - 0.5), f"step {step}: {why}") for step, why in sorted(breaks.items())],
        unread=[(axis.place(step), f"step {step} cannot be read: {why}") for step, why in sorted(unread.items())],
        words=". ".join(_words(one, metric, unit) for _, one in drawn),
    )


def reach(values: Iterable[Value]) -> list[float]:
    """Return the values and the ends of their intervals."""
    return [end for one in values for end in (one.value, *(one.interval or ()))]


def _line(colour: int, one: Series, metric: str, axis: Axis, scale: Scale) -> Line:
    path, points, whiskers, drawing = [], [], [], False
    removed = set(one.removed)
    for before, version in zip([None, *one.versions], one.versions, strict=False):
        value = version.values.get(metric)
        if value is None:
            drawing = False
            continue
        gap = before is not None and any(before.step < step <= version.step for step in removed)
        x, y = axis.place(version.step), scale.place(value.value)
        whole = drawing and not gap and version.breaks is None
        path.append(f"{'L' if whole else 'M'}{x} {y}")
        points.append(f"M{x} {y}h0")
        if value.interval is not None:
            low, high = (scale.place(end) for end in value.interval)
            whiskers.append(f"M{x} {high}V{low}")
        drawing = True
    return Line(colour, one.attack, "".join(path), "".join(points), "".join(whiskers))


def _dots(one: Series, metric: str, axis: Axis, scale: Scale) -> Iterable[Dot]:
    for version in one.versions:
        for moved in version.significant:
            value = version.values.get(metric)
            if moved.metric == metric and value is not None:
                kind = "doubtful" if moved.outcome == "suspicious" else "worse" if moved.worse else "better"
                words = f"step {version.step}, {version.case}: {moved.text}"
                yield Dot(axis.place(version.step), scale.place(value.value), kind, words)


def _releases(history: History, axis: Axis) -> list[tuple[float, str, bool]]:
    """Return the tags, those after the same step as one mark."""
    names: dict[int, list[str]] = {}
    for tag in history.tags:
        names.setdefault(tag.after, []).append(tag.name)
    found, free = [], 0.0
    for after, several in sorted(names.items()):
        x = axis.place(min(after, axis.last) + 0.3) if after >= axis.first else axis.place(axis.first) - 8
        name = several[-1] if len(several) == 1 else f"{several[0]}..{several[-1]}"
        room = x >= free and x + len(name) * CHARACTER / 2 <= WIDTH
        found.append((x, ", ".join(several) if not room else name, room))
        free = x + (len(name) + 1) * CHARACTER if room else free
    return found


def _words(one: Series, metric: str, unit: MetricFormat) -> str:
    """Say the first and the last value of a line, for those who cannot see it."""
    known: Sequence[Version] = [version for version in one.versions if metric in version.values]
    first, last = known[0], known[-1]
    told = f"{one.attack}: {unit.words(first.values[metric])} at step {first.step}"
    return told if first is last else f"{told}, {unit.words(last.values[metric])} at step {last.step}"


def by_norm(metric: str, series: Iterable[Series]) -> Mapping[str, list[Series]]:
    """Return series in groups that share a scale: distances in different norms do not."""
    groups: dict[str, list[Series]] = {}
    for one in series:
        norms = [version.norm for version in one.versions if version.norm]
        groups.setdefault(norms[-1] if metric == "distance" and norms else "", []).append(one)
    return groups

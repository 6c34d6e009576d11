"""The page: one HTML file that needs nothing else, neither scripts nor a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_robustness.gate.suspicion import BECAUSE
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.verdict import MetricVerdict
from pytest_robustness.report.data import Case, Contrast, Model, Report
from pytest_robustness.report.diagnosis import alike
from pytest_robustness.report.html import against_baseline, figures
from pytest_robustness.report.html.charts import COLOURS, BeforeAfter, Span, before_after, spans
from pytest_robustness.report.html.environment import environment
from pytest_robustness.report.html.heat import CIVIDIS, heats
from pytest_robustness.report.metric_format import FORMATS
from pytest_robustness.report.table import amount, other_metrics, two_sided

#: Metrics whose change is in points, not relative.
IN_POINTS = frozenset({"success rate", "clean accuracy"})


@dataclass(frozen=True)
class Failure:
    """Holds a case that failed: what it said, its failing metrics before and after, and its pictures."""

    case: Case
    bars: Sequence[BeforeAfter]
    gallery: Gallery | None
    command: str | None


@dataclass(frozen=True)
class Line:
    """Holds one line of the comparison of variants."""

    models: str
    attack: str
    change: str
    span: Span | None
    p_value: str
    others: Sequence[tuple[str, str]]  # in short, and in full


def render(report: Report) -> str:
    """Return the whole page of a report."""
    failures = list(_failures(report))
    shown = {failure.gallery.case for failure in failures if failure.gallery}
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            failures=failures,
            quiet=[failure for failure in failures if not failure.bars and not failure.gallery],
            galleries=[gallery for gallery in report.galleries if gallery.case not in shown],
            heats=heats(report),
            cividis=CIVIDIS,
            families=list(figures.families(report)),
            differences=list(figures.differences(report)),
            lines=list(_lines(report.contrasts)),
            other_metrics=other_metrics(one.metrics for one in report.contrasts),
            distances=any(case.distance for case in report.cases),
            extra_metrics=list(dict.fromkeys(name for case in report.cases for name in case.extra)),
            curves=list(figures.curves(report)),
            worst=against_baseline.worst_cases(report),
            slices=against_baseline.slice_charts(report),
            own_curves=against_baseline.curve_charts(report),
            dots=against_baseline.dot_lines(report),
            dot_axis=(against_baseline.dot_ticks(), against_baseline.DOTS, against_baseline.ROW),
            doubted=_doubted(report),
            diagnoses=alike(case.diagnosis for case in report.cases if case.diagnosis is not None),
            facts=_facts(report.models),
            published_means={one.of: one for one in report.published if one.attack == figures.MEAN},
            colours=COLOURS,
            units=FORMATS,
            change=_change,
            baseline=_baseline,
            rerun_command=figures.rerun_command(report),
            commands=list(dict.fromkeys(figures.rerun_command(report, family) for family in report.families)),
        )
    )


def _failures(report: Report) -> Iterator[Failure]:
    """Yield the failures, the largest change in success rate first, and what was not measured last."""
    galleries = {gallery.case: gallery for gallery in report.galleries}

    def weight(case: Case) -> tuple[bool, float]:
        success = case.metric("success rate")
        return not case.measured, -(success.change or 0.0) if success else 0.0

    for case in sorted((case for case in report.cases if case.failed), key=weight):
        bars = [bar for metric in case.metrics if (metric.fails or metric.moved) for bar in _bars(metric)]
        command = None
        if case.test:
            command = f'{report.provenance.rerun.partition(" ")[0]} "{case.test}"'
        yield Failure(case, bars, galleries.get(case.case), command)


def _bars(metric: MetricVerdict) -> Iterator[BeforeAfter]:
    unit = FORMATS.get(metric.metric)
    before, after = metric.before, metric.after
    if unit is None or before is None or after is None:
        return
    interval = None
    if metric.interval is not None:
        low, high = metric.interval
        points = metric.metric in IN_POINTS
        interval = (before + low, before + high) if points else (before * (1 + low), before * (1 + high))
    said, doubted, _ = metric.text.partition(BECAUSE)  # why stands in a section of its own
    words = f"{said}; suspicious" if doubted else said
    yield before_after(metric.metric, unit, before, after, interval, words, worse=metric.worse)


def _doubted(report: Report) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """Return each model that fails a masking check: its name, the checks, and what is therefore not believed."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for case in report.cases:
        if case.doubts:
            checks, metrics = found.setdefault(case.model, ([], []))
            checks += [doubt for doubt in case.doubts if doubt not in checks]
            metrics += [f"{case.attack}: {one.metric}" for one in case.metrics if one.outcome == "suspicious"]
    return [(model, checks, metrics) for model, (checks, metrics) in found.items()]


def _lines(contrasts: Sequence[Contrast]) -> Iterator[Line]:
    others = other_metrics(one.metrics for one in contrasts)
    changes = [figures.change_of(one) for one in contrasts]
    drawn = iter(spans([change for change in changes if change is not None]))
    for one, change in zip(contrasts, changes, strict=True):
        success = one.metrics.get("success rate")
        span = None if change is None else next(drawn)
        shown = [_short(one.metrics.get(name)) for name in others]
        yield Line(one.models, one.attack, amount(success), span, two_sided(success), shown)


def _facts(models: Sequence[Model]) -> list[str]:
    """Return those optional columns of the table of models that any model fills."""
    optional = ("top_5", "parameters", "layers", "activation")
    return [name for name in optional if any(getattr(model, name) is not None for model in models)]


def _short(metric: MetricVerdict | None) -> tuple[str, str]:
    """Return a change without its interval, and all that is said of it."""
    return amount(metric).partition(" [")[0], metric.text if metric else ""


def _baseline(case: Case, metric: str) -> str:
    """Return the baseline's value on the images that are compared. Of distances it is the geometric mean."""
    found = case.metric(metric)
    return "-" if found is None or found.before is None else FORMATS[metric].show(found.before)


def _change(case: Case, metric: str) -> str:
    found = case.metric(metric)
    return amount(found) if found and found.change else ""

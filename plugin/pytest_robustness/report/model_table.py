"""Tables of models, groups, published values and trials, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.measurement import Estimate, Measurement
from pytest_robustness.report.averages import Averages, GroupFacts, ModelFacts, group_facts, model_facts
from pytest_robustness.report.published import Beside, beside, load_published
from pytest_robustness.report.table import aligned
from pytest_robustness.suite.suite import Suite

#: The fewest models that get a table: everything about a single model is in its cases' rows.
LEAST_MODELS = 2

AVERAGES = ("success rate", "noise rate", "s/attempt", "units", "top-1", "top-5")
MODELS = ("model", "parameters", "layers", "activation", "input", *AVERAGES, "memory")
NOTE = "success, noise and time: means over the attacks; top-1, top-5: clean accuracy on unselected images"
PUBLISHED = ("", "attack", "value", "measured", "published")
TRIAL = ("model", "attack", "images", "seconds", "all images", "full run", "memory")


def models_table(models: Sequence[ModelFacts], groups: Sequence[GroupFacts]) -> list[str]:
    """Return a line for each model, then one for each group. The first line is the header."""
    cells = [MODELS, *map(_model, models)]
    cells += [(f"{one.group} ({one.models})", "", "", "", "", *_averages(one.averages), "") for one in groups]
    return aligned(cells, right=(1, 2, *range(5, 12)))


def published_table(values: Sequence[Beside], source: str) -> list[str]:
    """Return the published values that this run or the suite has too. The last column's header names their source."""
    header = (*PUBLISHED[:-1], f"published ({source})")
    cells = [header, *(_beside(one) for one in values if one.measured is not None)]
    return aligned(cells, right=(3, 4)) if len(cells) > 1 else []


def trial_table(trials: Mapping[str, tuple[Measurement, Estimate]]) -> list[str]:
    """Return what each case would take. The first line is the header, the last one the sum."""
    cells: list[Sequence[str]] = [TRIAL]
    for case, (measurement, estimate) in trials.items():
        model, attack = CaseId(case).model, CaseId(case).attack
        done = str(measurement.images.count)
        memory = size(measurement.timing.peak_memory)
        durations = (f"{estimate.seconds:.1f}", str(estimate.images), duration(estimate.full_seconds))
        cells.append((model, attack, done, *durations, memory))
    total = sum(estimate.full_seconds for _, estimate in trials.values())
    cells.append(("all", "", "", "", "", duration(total), ""))
    return aligned(cells, right=range(2, 7))


def size(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**30:.2f} GiB"


def duration(seconds: float) -> str:
    """Format a duration in hours and minutes, in minutes and seconds, or below a minute in seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def _model(one: ModelFacts) -> Sequence[str]:
    made, (_, height, width) = one.architecture, one.shape
    described: Sequence[str] = ("-", "-", "-")
    if made is not None:
        described = (f"{made.parameters:,}", str(made.layers), _kinds(made.activations))
    return (one.model, *described, f"{height} x {width}", *_averages(one.averages), size(one.peak_memory))


def _kinds(activations: Sequence[str]) -> str:
    return ", ".join(activations[:2]) + (", ..." if len(activations) > 2 else "") or "none"


def _averages(one: Averages) -> tuple[str, ...]:
    shown = (
        (one.success_rate, "{:.1%}"),
        (one.noise_rate, "{:.5f}"),
        (one.seconds, "{:.3g}"),
        (one.units, "{:.2f}"),
        (one.top_1, "{:.2%}"),
        (one.top_5, "{:.2%}"),
    )
    return tuple("-" if value is None else pattern.format(value) for value, pattern in shown)


def _beside(one: Beside) -> tuple[str, ...]:
    return (one.subject, one.attack, one.quantity, _value(one, one.measured), _value(one, one.published))


def _value(one: Beside, value: float | str | None) -> str:
    if value is None or isinstance(value, str | bool):
        return "-" if value is None else str(value)
    if one.quantity.endswith("change"):
        return f"{100 * value:+.2f} pp"
    if one.quantity.endswith("accuracy") or one.quantity == "success rate":
        return f"{value:.2%}"
    return f"{value:.5f}" if one.quantity == "noise rate" else f"{value:g}" if one.subject == "" else f"{value:.2f}"


def extra_tables(suite: Suite, measurements: Mapping[str, Measurement]) -> list[Sequence[str]]:
    """Return the tables of models and of published values, each with its header first."""
    found: list[Sequence[str]] = []
    models = model_facts(suite, measurements)
    if len(models) >= LEAST_MODELS:
        found.append([*models_table(models, group_facts(suite, models)), NOTE])
    published = load_published(suite)
    if published is not None and (lines := published_table(beside(published, suite, measurements), published.short)):
        note = f"published: as {published.title} states it, not measured here; nothing is judged by it"
        found.append([*lines, note])
    return found

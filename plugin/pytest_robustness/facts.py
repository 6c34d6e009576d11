"""Further tables of a run: what its models are, how they did on average, and what others published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_robustness.gate.averages import group_facts, model_facts
from pytest_robustness.gate.published import beside, load_published
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.report.facts import NOTE, models_table, published_table
from pytest_robustness.suite import Suite

#: Of one model its own row says it all.
LEAST_MODELS = 2


def paragraphs(suite: Suite, measurements: Mapping[str, Measurement]) -> list[Sequence[str]]:
    """Tables, each with its header first."""
    found: list[Sequence[str]] = []
    models = model_facts(suite, measurements)
    if len(models) >= LEAST_MODELS:
        found.append([*models_table(models, group_facts(suite, models)), NOTE])
    published = load_published(suite)
    if published is not None and (lines := published_table(beside(published, suite, measurements), published.short)):
        note = f"published: as {published.title} states it, not measured here; nothing is judged by it"
        found.append([*lines, note])
    return found

"""Diagnoses in a few lines: cases of one model with the same pattern are told together."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.diagnosis import Diagnosis

#: The most lines. The report has all of them.
LINES = 8


def short(diagnoses: Iterable[Diagnosis]) -> list[str]:
    """Return a line for each model and pattern, and at most ``LINES``; a last line counts the others."""
    lines = []
    for found in alike(diagnoses):
        first = found[0]
        attacks = ", ".join(CaseId(one.case).attack for one in found)
        lines.append(f"{CaseId(first.case).model} ({attacks}): {first.pattern}. Usually: {'; '.join(first.causes)}")
    left = len(lines) - LINES
    return lines[:LINES] + ([f"and {left} more, of other models: see the report"] if left > 0 else [])


def alike(diagnoses: Iterable[Diagnosis]) -> list[list[Diagnosis]]:
    """Return diagnoses in groups: of one model, with the same pattern."""
    together: dict[tuple[str, str], list[Diagnosis]] = {}
    for one in diagnoses:
        together.setdefault((CaseId(one.case).model, one.rule), []).append(one)
    return list(together.values())

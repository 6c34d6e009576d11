"""Diagnoses: what the evidence of a regressed case looks like, and what usually looks like that."""

from __future__ import annotations

from pytest_robustness.records.base import Record


class Diagnosis(Record):
    """Holds what is said of one regressed case.

    Attributes:
        case: the case's id.
        rule: the name of the rule that fits.
        pattern: what the rule sees, in one line.
        of_model: what the evidence holds of all cases of the model, one sentence each, and what it does not hold.
        facts: what it holds of this case.
        causes: the three usual causes of the pattern, each with what to try. They are no findings.
    """

    case: str
    rule: str
    pattern: str
    of_model: list[str]
    facts: list[str]
    causes: list[str]

    @property
    def paragraph(self) -> str:
        """Return all of it as one paragraph of plain text."""
        return " ".join(
            [f"{self.case}: {self.pattern}.", *self.of_model, *self.facts, f"Usually: {'; '.join(self.causes)}."]
        )

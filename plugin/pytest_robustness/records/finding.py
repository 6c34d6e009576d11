"""Findings: what a check says about a model, as it is shown and stored."""

from __future__ import annotations

from pydantic import Field

from pytest_robustness.records.base import Record


class Finding(Record):
    """Holds what one check says about one model.

    Attributes:
        check: the check's name.
        passed: whether attacks on the model can be believed, as far as this check can tell.
        numbers: what was measured, in one line.
        meaning: what a failure usually means.
        advice: what to do about a failure.
    """

    check: str
    passed: bool
    numbers: str
    meaning: str = Field(default="", exclude_if=lambda said: not said)
    advice: str = Field(default="", exclude_if=lambda said: not said)

    def __str__(self) -> str:
        line = f"{self.check}: {self.numbers}"
        return line if self.passed else f"{line}. Usually {self.meaning}. {self.advice}"

    @property
    def brief(self) -> Finding:
        """Return the finding as it is stored.

        When the check passed, ``meaning`` and ``advice`` are left out, because they are only about a failure.
        """
        return self.model_copy(update={"meaning": "", "advice": ""}) if self.passed else self

"""What a check says of a model, as it is shown and stored."""

from __future__ import annotations

from pydantic import Field

from pytest_robustness.records.base import Record


class Finding(Record):
    """What one check says of one model.

    Attributes:
        check: its name.
        passed: whether attacks on the model can be believed, as far as this check can tell.
        numbers: what was measured, in one line.
        meaning: what a failure usually means.
        advice: what to do about it.
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
        """As it is stored: what a failure would have meant says nothing of one that passed."""
        return self.model_copy(update={"meaning": "", "advice": ""}) if self.passed else self

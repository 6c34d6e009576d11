"""What a run says of itself beside its measurements: which cases it was to measure, and what became of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, is_none, pretty_json, versioned

SCHEMA: Literal[1] = 1

#: Of a selected case. Only of one that was ``measured`` there is a measurement; one that was ``not checked`` had a test
#: that ran and did not call ``robustness.check()``.
CaseStatus = Literal["measured", "error", "crashed", "skipped", "not run", "not checked"]
#: Characters of a problem that are kept.
LONGEST_PROBLEM = 500


class CaseRecord(Record):
    """What became of one case, and in one line why it was not measured."""

    status: CaseStatus
    problem: Annotated[str, StringConstraints(max_length=LONGEST_PROBLEM)] | None = Field(
        default=None, exclude_if=is_none
    )


class RunRecord(Record):
    """A run of one suite. A reader may rely on the measurements beside it only where it is ``complete``.

    Attributes:
        suite: the suite's name.
        complete: whether the session ended in order; set by the last file that is written.
        plugin: the version of this package.
        torch: the versions that its measurements name, sorted.
        candidate: the argument of ``--candidate``, which measures another model in one's place.
        cases: every case that was selected, by its id.
    """

    suite: str
    complete: bool
    plugin: str
    torch: list[str] = Field(default=[])
    candidate: str | None = Field(default=None, exclude_if=is_none)
    cases: dict[str, CaseRecord] = Field(default={})

    def to_json(self) -> str:
        """The text of its file: sorted keys, newline at the end."""
        return pretty_json({"schema": SCHEMA, **self.model_dump()}, 2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises RobustnessError, in one line, for anything ``to_json`` could not have written."""
        data: dict[str, Any] = versioned(text, "record of a run", SCHEMA)
        del data["schema"]
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None


def one_line(problem: str) -> str:
    """A problem as a record keeps it: one line of at most 500 characters."""
    line = " ".join(problem.split())
    return line if len(line) <= LONGEST_PROBLEM else f"{line[: LONGEST_PROBLEM - 3]}..."

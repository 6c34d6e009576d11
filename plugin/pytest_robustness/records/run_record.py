"""The record of a run, kept beside its measurements: which cases it was to measure, and what became of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, is_none, pretty_json, versioned

SCHEMA: Literal[1] = 1

#: The status of a selected case. Only a case that was ``measured`` has a measurement. The test of a case that was
#: ``not checked`` ran, but did not call ``robustness.check()``.
CaseStatus = Literal["measured", "error", "crashed", "skipped", "not run", "not checked"]
#: Number of characters of a problem that are kept.
LONGEST_PROBLEM = 500


class CaseRecord(Record):
    """Records what became of one case, and in one line why it was not measured.

    ``test`` is the id of its test, in runs that were merged from shards.
    """

    status: CaseStatus
    problem: Annotated[str, StringConstraints(max_length=LONGEST_PROBLEM)] | None = Field(
        default=None, exclude_if=is_none
    )
    test: str | None = Field(default=None, exclude_if=is_none)


class RunRecord(Record):
    """Records a run of one suite. A reader may rely on the measurements beside it only when it is ``complete``.

    Attributes:
        suite: the suite's name.
        complete: whether the session ended in order; set by the last file that is written.
        plugin: the version of this package.
        torch: the torch versions that its measurements name, sorted.
        candidate: the argument of ``--candidate``, which measures another model in the place of one of the suite.
        commit: the commit that was checked out, where it is known.
        cases: every case that was selected, by its id.
    """

    suite: str
    complete: bool
    plugin: str
    torch: list[str] = Field(default=[])
    candidate: str | None = Field(default=None, exclude_if=is_none)
    commit: str | None = Field(default=None, exclude_if=is_none)
    cases: dict[str, CaseRecord] = Field(default={})

    def to_json(self) -> str:
        """Return the text of the record's file, with sorted keys and a newline at the end."""
        return pretty_json({"schema": SCHEMA, **self.model_dump()}, 2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a record from the text of its file.

        Raises RobustnessError, in one line, for anything ``to_json`` could not have written.
        """
        data: dict[str, Any] = versioned(text, "record of a run", SCHEMA)
        del data["schema"]
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None


def one_line(problem: str) -> str:
    """Return a problem as a record keeps it: one line of at most 500 characters."""
    line = " ".join(problem.split())
    return line if len(line) <= LONGEST_PROBLEM else f"{line[: LONGEST_PROBLEM - 3]}..."

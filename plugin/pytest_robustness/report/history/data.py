"""All that a history says, as data. The page and the JSON are renderings of it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, is_none, versioned
from pytest_robustness.records.verdict import MetricVerdict, Status
from pytest_robustness.report.data import Value

#: The version of the schema. It changes whenever a reader of the older one would misread the newer.
SCHEMA: Literal[1] = 1


class Commit(Record):
    """A commit that touched baselines."""

    commit: str
    when: str = Field(description="when it was committed, ISO 8601, UTC")
    subject: str
    author: str | None = Field(default=None, exclude_if=is_none, description="only where it was asked for")


class ModelChange(Record):
    """A model that is not the one of its baseline before: which digests changed."""

    model: str
    changes: list[str]


class Step(Commit):
    """A commit of the first-parent line, and what it did to baselines."""

    number: PositiveInt
    came: list[Commit] = Field(default=[], description="by a merge: the commits that touched baselines")
    written: NonNegativeInt = Field(description="baselines that were added or changed, readable or not")
    removed: list[str] = Field(default=[], description="cases whose baseline was deleted")
    renamed: dict[str, str] = Field(default={}, description="the old name of a case, by its new one")
    models: list[ModelChange] = Field(default=[])


class Tag(Record):
    """A release, and the number of the last step that it has; 0: none of those shown."""

    name: str
    commit: str
    after: NonNegativeInt


class Version(Record):
    """A baseline as one step stored it, judged by the version before with the suite's present rules.

    Values are by the name of the metric, with 95 % intervals. ``metrics`` are those beyond their tolerance.
    """

    step: NonNegativeInt = Field(description="0: as it was before the first step that is shown")
    case: str = Field(description="the case's name then")
    was: str | None = Field(default=None, exclude_if=is_none, description="its name before this step")
    status: Status | None = Field(default=None, description="null: there is no version before")
    reason: str = ""
    breaks: str | None = Field(
        default=None, exclude_if=is_none, description="why it cannot be compared with the version before"
    )
    images: NonNegativeInt
    attempts: NonNegativeInt
    values: dict[str, Value]
    metrics: list[MetricVerdict] = Field(default=[])
    doubts: list[str] = Field(default=[], description="masking checks that the model fails")
    weights_digest: str
    code_digest: str | None
    protocol_digest: str
    norm: str | None = Field(default=None, exclude_if=is_none, description="of the distances")
    torch: str
    device: str

    @property
    def significant(self) -> list[MetricVerdict]:
        """The metrics of a step that is no chance: worse, better, or better and doubtful."""
        return [one for one in self.metrics if one.outcome in ("regressed", "improved", "suspicious")]


class Erosion(Record):
    """The newest version, judged by the oldest that it can be compared with."""

    since: NonNegativeInt = Field(description="the step of the oldest one")
    status: Status
    reason: str
    metrics: list[MetricVerdict]


class Series(Record):
    """A case and its versions, oldest first, under whatever name it had."""

    case: str
    model: str
    attack: str
    versions: list[Version]
    removed: list[PositiveInt] = Field(default=[], description="steps that deleted the baseline")
    erosion: Erosion | None = Field(default=None, description="null: no two versions can be compared, or it is gone")

    @property
    def is_gone(self) -> bool:
        """Return whether the case has no baseline at the end."""
        return bool(self.removed) and not any(one.step > self.removed[-1] for one in self.versions)


class Unreadable(Record):
    """A version that cannot be read, and why."""

    step: NonNegativeInt
    commit: str
    case: str
    path: str
    problem: str


class History(Record):
    """The history of a suite's baselines, along the first parents. Rates and accuracies are in [0, 1]."""

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    kind: Literal["history"] = "history"
    suite: str
    folders: list[str] = Field(description="where the baselines lay, the present one first")
    head: str = Field(description="the commit it ends with")
    since: str | None = Field(default=None, description="the revision it begins with")
    shallow: bool = Field(description="the clone has only the newest commits: there may be older versions")
    steps: list[Step]
    tags: list[Tag]
    series: list[Series]
    unreadable: list[Unreadable]
    notes: list[str]

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a history. Raise RobustnessError, in one line, for anything else."""
        versioned(text, "history", SCHEMA)
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None

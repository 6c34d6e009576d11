"""The plan of a sharded run, and what one shard of it measured: the file that a shard leaves for the merge."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import Record, first_problem, is_none, versioned
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.part import CleanPart, Part
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.run_record import CaseRecord

SCHEMA: Literal[1] = 1
#: The name of a file in a folder of its own: suites, models and attacks become such names when parts are merged.
PLAIN = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f\ud800-\udfff]+")


class PlannedTask(Record):
    """Says which images of a case a shard measures: those at the places from ``start`` up to ``stop``.

    ``model_too``: besides it measures what belongs to the model and to no attack, once for all cases of the model.
    """

    case: str
    start: NonNegativeInt
    stop: NonNegativeInt
    model_too: bool = Field(default=False, exclude_if=lambda value: not value)

    @property
    def rows(self) -> range:
        return range(self.start, self.stop)


class Plan(Record):
    """Holds what all shards of a run must agree about, and what each of them measures.

    Attributes:
        suite: the suite's name.
        rules: digest of what the suite's file says.
        baselines: digest of the baselines of all cases that are measured.
        commit: the commit that was checked out; None when there is none.
        candidate: the argument of ``--candidate``.
        plugin: the version of this package.
        shards: the tasks of each shard; one shard has one part of a case at most.
    """

    suite: str
    rules: str
    baselines: str
    commit: str | None = Field(default=None, exclude_if=is_none)
    candidate: str | None = Field(default=None, exclude_if=is_none)
    plugin: str
    shards: list[list[PlannedTask]] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in [self.suite, *(name for case in self.cases for name in (CaseId(case).model, CaseId(case).attack))]:
            if not PLAIN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a suite, a model or an attack")
        found = Counter(CaseId(task.case).model for tasks in self.shards for task in tasks if task.model_too)
        for model in sorted({CaseId(case).model for case in self.cases}):
            if found[model] != 1:
                raise ValueError(f"{model} is measured without an attack {found[model]} times, not once")
        return self

    @property
    def digest(self) -> str:
        canonical = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()

    @property
    def cases(self) -> list[str]:
        """Return the cases that are measured, sorted."""
        return sorted({task.case for tasks in self.shards for task in tasks})

    def tasks_of(self, case: str) -> Iterator[tuple[int, PlannedTask]]:
        """Yield the tasks of a case, each with the number of its shard, from 1."""
        for number, tasks in enumerate(self.shards, 1):
            yield from ((number, task) for task in tasks if task.case == case)

    def first_difference(self, other: Plan) -> str | None:
        """Return the first thing in which two plans differ, with both values. Returns None when they are equal."""
        words = {
            "suite": "suite",
            "rules": "content of the suite's file",
            "plugin": "version of pytest-robustness",
            "commit": "commit",
            "candidate": "--candidate",
        }
        for name, word in words.items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{word}: {_short(mine)} and {_short(theirs)}"
        if len(self.shards) != len(other.shards):
            return f"number of shards: {len(self.shards)} and {len(other.shards)}"
        if self.cases != other.cases:
            return f"selected cases: {len(self.cases)} and {len(other.cases)}"
        if self.baselines != other.baselines:
            return f"baselines: {_short(self.baselines)} and {_short(other.baselines)}"
        return None if self.shards == other.shards else "tasks: the image sets have other numbers of images"


def _short(value: str | None) -> str:
    return "none" if value is None else value if len(value) < 40 else value[:12]


class ModelPart(Record):
    """Holds what belongs to a model and to no attack: answers for the unselected images, and masking findings.

    ``findings`` is None where no baseline of the model asked for the checks.
    """

    provenance: Provenance
    clean: CleanPart | None = None
    findings: list[Finding] | None = None


class Measured(Record):
    """Holds what a test of a sharded run measured. ``part`` is None when the attack failed after the model's part."""

    part: Part | None = None
    model: ModelPart | None = None
    lists: list[ImageList] = Field(default=[], description="of the images, where not sent before")


class Shard(Record):
    """Holds what one shard of a run measured. It has judged nothing.

    Attributes:
        plan_digest: the digest of ``plan``, for those who compare files without reading them.
        shard: its number, from 1.
        complete: whether the session ended in order. A reader must not use a shard that did not.
        cases: what became of each of its cases.
        tests: the ids of the cases' tests.
        parts: of those cases that were measured.
        models: by name, what belongs to a model and to no attack.
        lists: the lists of all images.
    """

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    plan_digest: str
    plan: Plan
    shard: PositiveInt
    complete: bool
    cases: dict[str, CaseRecord] = Field(default={})
    tests: dict[str, str] = Field(default={})
    parts: list[Part] = Field(default=[])
    models: dict[str, ModelPart] = Field(default={})
    lists: list[ImageList] = Field(default=[])

    @property
    def tasks(self) -> dict[str, PlannedTask]:
        """Return its tasks by case."""
        return {task.case: task for task in self.plan.shards[self.shard - 1]}

    @property
    def unmeasured(self) -> list[str]:
        """Return the cases of its own that could not be measured."""
        return [case for case in self.tasks if case not in self.cases or self.cases[case].status != "measured"]

    def to_json(self) -> str:
        """Return the text of the shard's file: a line for each part, model and list, and a newline at the end."""
        return _lines(self.model_dump()) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a shard from the text of its file.

        Raises RobustnessError, in one line, for anything ``to_json`` could not have written.
        """
        data = versioned(text, "part of a run", SCHEMA)
        if "plan_digest" not in data:
            raise RobustnessError("not a part that --robustness-shard wrote: it has no plan_digest")
        try:
            found = cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None
        if found.plan_digest != found.plan.digest:
            raise RobustnessError("plan_digest: is not that of the plan: was it edited by hand?")
        if found.shard > len(found.plan.shards):
            raise RobustnessError(f"shard: {found.shard} of {len(found.plan.shards)}")
        return found


def _lines(data: dict[str, Any]) -> str:
    """Format an object as JSON with one line for each entry of its arrays and objects."""

    def entries(value: Any) -> str:
        if isinstance(value, list) and value:
            return "[\n" + ",\n".join(f"    {json.dumps(one, allow_nan=False)}" for one in value) + "\n  ]"
        if isinstance(value, dict) and value:
            inner = (f"    {json.dumps(key)}: {json.dumps(value[key], allow_nan=False)}" for key in sorted(value))
            return "{\n" + ",\n".join(inner) + "\n  }"
        return json.dumps(value, allow_nan=False)

    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {entries(value)}" for key, value in data.items()) + "\n}"

"""Defines all that a run's report says, as data, of which JSON, Markdown and the page are renderings."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.base import first_problem, versioned
from pytest_robustness.records.diagnosis import Diagnosis
from pytest_robustness.records.gallery import Gallery
from pytest_robustness.records.image_list import ImageSetId
from pytest_robustness.records.protocol import Protocol, from_version_1
from pytest_robustness.records.verdict import MetricVerdict, SetChange

#: The version of the schema. It changes whenever a reader of the older one would misread the newer.
SCHEMA: Literal[2] = 2

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]
Recording = Literal["none", "missing", "all"]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)


class Value(_Data):
    """Holds a measured value and its 95 % interval; None where no interval is known."""

    value: Finite
    interval: tuple[Finite, Finite] | None = None


class WorstCase(_Data):
    """A model under all of its attacks in a ball together: an image counts while none of them fools it."""

    robust_accuracy: Value
    baseline: Share | None = Field(default=None, description="on the images that are compared")
    attacks: list[Name]


class Slice(_Data):
    """A part of a case's images, by class or by a column of their list."""

    name: Name
    images: NonNegativeInt = Field(description="those that are compared with the baseline")
    metric: Literal["success rate", "distance"] = Field(description="distance: the median")
    value: Finite | None
    baseline: Finite | None = None
    lost: NonNegativeInt = 0
    won: NonNegativeInt = 0


class Model(_Data):
    """Describes a model of the suite and its accuracy on images that were not attacked."""

    name: Name
    source: str
    groups: list[str]
    clean_accuracy: Value | None = Field(default=None, description="top-1, on images drawn blindly")
    top_5: Value | None = Field(default=None, description="top-5 accuracy on the same images")
    selected_accuracy: Value | None = Field(default=None, description="top-1, on the attacked images")
    success_rate: Value | None = Field(default=None, description="mean over the suite's attacks, if all were run")
    worst_case: WorstCase | None = Field(
        default=None, description="over the suite's attacks in a ball, if all of its attacks were run"
    )
    parameters: NonNegativeInt | None = None
    layers: NonNegativeInt | None = None
    activation: str | None = None
    weights_digest: str | None = None
    changes: list[str] = Field(default=[], description="since the baselines")


class Attack(_Data):
    """Describes an attack of the suite and the protocol its cases were measured by."""

    name: Name
    attack: str = Field(description="a name of the registry, or package.module:Class")
    parameters: dict[str, bool | int | Finite | str]
    budget: NonNegativeInt | None = Field(default=None, description="gradient evaluations an image may cost")
    protocol: Protocol | None = None
    protocol_digest: str | None = None
    images: ImageSetId | None = Field(default=None, description="the attacked images")
    unselected: ImageSetId | None = Field(default=None, description="the images of the clean accuracy")


class Case(_Data):
    """Holds the values and the verdict of one model under one attack; values are absent where it was not measured."""

    case: Name
    model: Name
    attack: Name
    test: str | None = Field(default=None, description="the test's id, to run it again")
    word: str = Field(description="the verdict in a word, or what went wrong")
    failed: bool
    reason: str
    images: NonNegativeInt = Field(default=0, description="attacked, and those that were wrong when clean")
    attempts: NonNegativeInt = 0
    successes: NonNegativeInt = 0
    success_rate: Value | None = Field(
        default=None, description="none also where the attack looks for the smallest perturbation, whatever it takes"
    )
    robust_accuracy: Value | None = None
    distance: Value | None = Field(
        default=None, description="norm of the smallest perturbation found that fools, median over the images found"
    )
    security_curve: list[tuple[Finite, Share]] = Field(
        default=[], description="of an attack with distances: a radius, and the share of attempts fooled within it"
    )
    baseline_curve: list[tuple[Finite, Share]] = Field(
        default=[], description="the security curve of the baseline, over all of its images"
    )
    log_ratios: list[Finite] = Field(
        default=[],
        description="natural logarithms of distances, now / baseline, ascending; evenly chosen where images are many",
    )
    slices: list[Slice] = Field(default=[], description="the worst first, and not more than can be shown")
    doubts: list[str] = Field(default=[], description="masking checks that the model fails, each with its numbers")
    diagnosis: Diagnosis | None = Field(default=None, description="of a regressed case")
    fooled_by: dict[str, NonNegativeInt] = Field(default={}, description="of an ensemble: images by its members")
    noise_rate: Value | None = Field(default=None, description="1 - SSIM, mean over successes")
    effort: Value | None = Field(default=None, description="gradient evaluations until fooled, mean over attempts")
    forwards: Value | None = Field(default=None, description="rows computed for an attempt, forwards; mean")
    gradients: Value | None = Field(default=None, description="the same of backwards")
    time: Value | None = Field(default=None, description="in forward and backward passes of the same batch")
    seconds_per_attempt: Finite | None = None
    metrics: list[MetricVerdict] = Field(default=[], description="against the baseline, on the same images")
    extra: dict[str, Finite] = Field(default={}, description="values of other packages' metrics, by name")
    set_change: SetChange = Field(default=SetChange(), description="of the images, since the baseline")

    @property
    def measured(self) -> bool:
        """Return whether the case got as far as a measurement."""
        return self.images > 0

    def metric(self, name: str) -> MetricVerdict | None:
        return next((metric for metric in self.metrics if metric.metric == name), None)


class Pooled(_Data):
    """Holds the verdict on a model, or a group of models, under all attacks together."""

    name: Name
    verdict: MetricVerdict


class Contrast(_Data):
    """Compares two models of this run, or the pairs of a group. It is shown and has no part in the verdict."""

    models: Name
    group: str
    attack: Name = Field(description="an attack of the suite, or mean")
    metrics: dict[str, MetricVerdict]


class Published(_Data):
    """Holds a value that others published, which is shown beside this run's values."""

    of: Name = Field(description="a model, models of a contrast, or a group of variants")
    attack: Name = Field(description="an attack of the suite, or mean")
    metric: Literal["success rate", "noise rate", "effort", "time", "seconds", "change in success rate"]
    value: Finite
    source: str


class Provenance(_Data):
    """Records where the values come from: command, versions, devices, commit."""

    created: str = Field(description="when the run ended, ISO 8601, UTC; empty where nobody knows")
    command: str = Field(description="what was typed")
    rerun: str = Field(description="what runs all cases again")
    plugin: str
    python: str
    torch: list[str]
    attacks: list[str]
    devices: list[str]
    commit: str | None


class Judging(_Data):
    """Holds the suite's rules of judging."""

    policy: str
    inconclusive: str
    alpha: Finite
    tolerances: dict[str, Finite]


class Report(_Data):
    """Holds the report of one run. Rates and accuracies are in [0, 1]; intervals are of 95 %."""

    schema_version: Literal[2] = Field(default=SCHEMA, alias="schema")
    title: Name
    suite: str
    candidate: str | None
    recording: Recording
    passed: bool
    sentence: str = Field(description="the verdict in one sentence")
    expected: NonNegativeInt = Field(description="cases of the suite")
    models: list[Model] = Field(description="those that were run")
    attacks: list[Attack]
    families: dict[str, list[str]] = Field(description="models that belong together")
    cases: list[Case]
    pooled: list[Pooled]
    contrasts: list[Contrast]
    galleries: list[Gallery] = []
    published: list[Published] = []
    failures: list[str] = Field(description="what fails the run beside its cases")
    notes: list[str]
    judging: Judging
    provenance: Provenance
    complete: bool = Field(default=False, description="the run reached its end; written last of all")

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a report of this version or an older one. Raise RobustnessError, in one line, for anything else."""
        data = versioned(text, "report", SCHEMA, oldest=1)
        if data["schema"] < SCHEMA:
            text = json.dumps(_upgraded(data))
        try:
            return cls.model_validate_json(text)  # from the text, as strict models take tuples from JSON only
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Return a report of schema 1 as this version writes it. In schema 1 image sets were part of protocols."""
    attacks = []
    try:
        for attack in data["attacks"]:
            attacks.append(dict(attack))
            if attack.get("protocol") is not None:
                protocol, moved = from_version_1(attack["protocol"])
                attacks[-1] |= {key: moved[key] for key in ("images", "unselected")} | {"protocol": protocol}
    except (KeyError, TypeError, ValueError, AttributeError):
        return data | {"schema": SCHEMA}  # validation will say what is wrong with it
    return data | {"schema": SCHEMA, "attacks": attacks}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file that ``--robustness-json`` writes."""
    schema = Report.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

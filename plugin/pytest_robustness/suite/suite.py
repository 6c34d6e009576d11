"""A suite: one TOML file with models, attacks, image set and tolerances, validated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.case_id import CaseId
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.agreement import check_effect, check_engine, check_photographs
from pytest_robustness.suite.attack import Attack
from pytest_robustness.suite.durations import Duration
from pytest_robustness.suite.engine import EngineTable
from pytest_robustness.suite.ensembles import MEMBERS, Ensemble
from pytest_robustness.suite.levels import GROUPS, Levels, hypotheses_of_a_case
from pytest_robustness.suite.model import PROGRAM_FILES, Model
from pytest_robustness.suite.names import Name, distinct_names
from pytest_robustness.suite.problems import explain
from pytest_robustness.suite.references import Group, Models, Variant, known_members, known_variants
from pytest_robustness.suite.slices import CLASS, Slices
from pytest_robustness.suite.tables import ExistingFile, Images, Normalisation, Reading, SuitePath, Table

Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Tolerances(Table):
    """Holds how far a value may move before it counts.

    Success rate and accuracies are in points, the others are shares of the value.
    """

    success_rate: Tolerance = Field(default=0.01, description="in shares of the images: 0.01 is one point")
    robust_accuracy: Tolerance = Field(default=0.01, description="in shares of the images")
    clean_accuracy: Tolerance = Field(default=0.01, description="in shares of the images")
    effort: Tolerance = Field(default=0.05, description="relative: 0.05 is five per cent of the baseline's value")
    noise_rate: Tolerance = Field(default=0.05, description="relative")
    distance: Tolerance = Field(default=0.05, description="relative")
    time: Tolerance = Field(default=0.20, description="relative")


def of_pixels(normalisation: Normalisation) -> Normalisation:
    """Return the normalisation. Raise ValueError when it is not in the units of [0, 1]."""
    normalisation.check_scale()
    return normalisation


class Suite(Table):
    """Holds all of one TOML file. ``path`` is the file it came from."""

    path: Path = Field(exclude=True)
    images: Images = Field(
        description="the image sets: .npz files, or a folder of photographs and lists of some of them"
    )
    models: Annotated[dict[Name, Model], AfterValidator(distinct_names)] = Field(
        min_length=1, description="the models, by the names they have in reports and baselines"
    )
    attacks: Annotated[dict[Name, Attack], AfterValidator(distinct_names)] = Field(
        min_length=1, description="the attacks, by the names they have there; each model meets each attack"
    )
    ensembles: Annotated[dict[Name, Ensemble], AfterValidator(distinct_names), AfterValidator(known_members)] = Field(
        default={}, description="attacks that are made one after the other, each on what the others left standing"
    )
    groups: dict[Group, Models] = Field(default={}, description="models that belong together; also pytest markers")
    weights: Annotated[SuitePath, Field(validate_default=True)] = Field(
        default=Path("weights"), description="folder where weights that a library names are looked for first"
    )
    preprocessing: Preprocessing | None = Field(
        default=None, description="of a folder's images, for models of no library"
    )
    normalisation: Annotated[Normalisation, AfterValidator(of_pixels)] = Field(
        default=Normalisation(), description="what models expect that have none of their own; in units of [0, 1]"
    )
    published: ExistingFile | None = Field(
        default=None, description="TOML with published values, shown beside measured ones"
    )
    tolerances: Tolerances = Field(default=Tolerances(), description="how far a value may move before it counts")
    variants: Annotated[list[Variant], AfterValidator(known_variants)] = Field(
        default=[], description="pairs of models that each run compares"
    )
    policy: Literal["significance", "tolerance"] = Field(
        default="significance",
        description="what fails beyond its tolerance: a change that is hardly chance, by an exact test, or any change",
    )
    inconclusive: Literal["pass", "fail"] = Field(
        default="pass", description="what a change for the worse does that is beyond its tolerance and may be chance"
    )
    time: Literal["work", "clock"] = Field(
        default="work", description="what time is judged by: rows computed, which no load changes, or the clock"
    )
    slices: Slices | None = Field(
        default=None,
        description="parts of the images that are judged too: by class, or by a column of the list of images; "
        '[] for none; default: ["class"] where labels are given',
    )
    levels: Levels = Field(default=Levels(), description="how alpha is shared, in shares of it: at most 1 in all")
    suspicious: Literal["fail", "warn"] = Field(
        default="fail", description="what an improvement does that a failed masking check makes doubtful"
    )
    alpha: Annotated[float, Field(ge=1e-6, lt=1)] = Field(
        default=0.05, description="chance of a false alarm, of all that is said of a model together"
    )
    timeout: Duration | None = Field(
        default=None, description='what a case may take, "10 min" say; then its process is ended'
    )
    engine: EngineTable = Field(default=EngineTable(), description="what a case needs of a cluster")
    batch_size: PositiveInt = Field(
        default=100, description="images in a forward; bounds memory. Only results of libraries' attacks depend on it"
    )
    row_floor: PositiveInt | None = Field(
        default=None,
        description="rows a forward has at least, as small batches are not bit-equal to large ones; none: found out",
    )
    memory_format: Literal["contiguous", "channels_last"] = Field(
        default="contiguous",
        description="channels_last: on a CPU mostly faster, rounded otherwise; part of the protocol; not used on a GPU",
    )
    seed: NonNegativeInt = Field(default=0, description="of all that is drawn; part of the protocol")

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        check_engine(self.engine, self.models)
        check_photographs(self.model_fields_set, self.images, self.models)
        check_effect(self.model_fields_set, self.models)
        return self

    _at_hand: dict[str, Model] = PrivateAttr(default_factory=dict)
    _objects: Any = PrivateAttr(default=None)

    @property
    def name(self) -> str:
        return self.path.stem

    def with_candidate(self, text: str, folder: Path) -> Suite:
        """Return this suite with one model only, replaced by another: ``MODEL=OTHER`` or ``MODEL=OTHER@WEIGHTS``.

        OTHER is a model of the suite or a source. WEIGHTS is a library's name of weights or a file relative to
        ``folder``. Raises RobustnessError when the text or the model it names is not valid.
        """
        name, separator, other = text.partition("=")
        source, _, weights = other.partition("@")
        if not separator or not source:
            raise RobustnessError(f"--candidate {text}: should be MODEL=OTHER")
        if name not in self.models:
            raise RobustnessError(f"--candidate {text}: no model {name!r} in {self.path} ({', '.join(self.models)})")
        if ":" in source or Path(source).suffix in PROGRAM_FILES:
            model = self.models[name].candidate_table(source)
        elif source in self.models:
            model = dict(self.models[source])
        else:
            raise RobustnessError(
                f"--candidate {text}: {source!r} is no model of {self.path} and no package.module:factory"
            )
        if weights:
            model["weights"] = weights
        try:
            replaced = Model.model_validate(model, context=Reading(folder))
        except ValidationError as error:
            raise RobustnessError(f"--candidate {text}: {explain(error, Model)}") from None
        chosen = self.model_copy(update={"models": {name: replaced}, "groups": {}, "variants": []})
        chosen._at_hand = dict(self.models)
        return chosen

    def relatives(self, name: str) -> Iterator[Suite]:
        """Yield this suite with a model replaced by a related one: the one a candidate replaces, or a variant."""
        at_hand = self._at_hand or self.models
        pairs = [one.models for one in self.variants if name in one.models]
        for other in dict.fromkeys([name, *(model for pair in pairs for model in pair)]):
            if at_hand[other] != self.models[name]:
                yield self.model_copy(update={"models": {name: at_hand[other]}})

    def with_objects(self, objects: Any) -> Suite:
        """Return this suite with a model and images that are at hand, and need not be loaded."""
        with_them = self.model_copy()
        with_them._objects = objects
        return with_them

    @property
    def objects(self) -> Any:
        """The model and the images that stand for what the file names (``suite.objects``); None where they do not."""
        return self._objects

    @property
    def sliced_by(self) -> list[str]:
        """Return what the images are sliced by: ``class``, or columns of their list."""
        if self.slices is None:
            return [] if self.images.labels == "predicted" else [CLASS]
        return self.slices

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that the list of images must have."""
        return tuple(column for column in self.sliced_by if column != CLASS)

    @property
    def regular_attacks(self) -> list[str]:
        """Return the attacks that every run makes, and that share a model's level."""
        return [name for name, attack in self.all_attacks.items() if not attack.on_request]

    @property
    def all_attacks(self) -> dict[str, Attack | Ensemble]:
        """Return attacks and ensembles by name."""
        return {**self.attacks, **self.ensembles}

    def class_name(self, label: int) -> str:
        """Return what a class is called in reports: its number when the suite does not name it."""
        names = self.images.classes
        return names[label] if names and not isinstance(names, str) and label < len(names) else str(label)

    def with_folder(self, folder: Path) -> Suite:
        """Return this suite with its images in another folder."""
        return self.model_copy(update={"images": self.images.model_copy(update={"folder": folder})})

    def alpha_of(self, model: str) -> float:
        """Return the alpha of a model's own verdicts, of which groups take a share when the model is in one."""
        return self.alpha * (1 - GROUPS) if any(model in models for models in self.groups.values()) else self.alpha

    @property
    def group_level(self) -> float:
        """Return the level of the test of a group: a model's share for groups is shared by all groups it is in."""
        most = max((sum(model in models for models in self.groups.values()) for model in self.models), default=1)
        return self.alpha * GROUPS / max(1, most)

    @property
    def pooled_level(self) -> float:
        """Return the level of one test of all attacks together."""
        return self.alpha * self.levels.together / 2

    def cases(self) -> Iterator[Case]:
        """Yield all cases, also those that run on request only."""
        for model in self.models:
            for attack in self.all_attacks:
                yield Case(self, model, attack)

    def case(self, case_id: str) -> Case:
        named = CaseId(case_id)
        return Case(self, named.model, named.attack)


@dataclass(frozen=True)
class Case:
    """Stands for one model of a suite under one attack."""

    suite: Suite
    model_name: str
    attack_name: str

    @property
    def id(self) -> str:
        return str(CaseId.of(self.model_name, self.attack_name))  # a plain str: execnet sends no other

    @property
    def model(self) -> Model:
        return self.suite.models[self.model_name]

    @property
    def attack(self) -> Attack | Ensemble:
        return self.suite.all_attacks[self.attack_name]

    @property
    def ensemble(self) -> Ensemble | None:
        """Return the case's ensemble. Returns None when the case is of a single attack."""
        return self.suite.ensembles.get(self.attack_name)

    def members(self) -> list[Case]:
        """Return the cases of an ensemble's attacks, whether or not the suite has them, or else the case itself."""
        ensemble = self.ensemble
        return [self] if ensemble is None else [self._member(name, ensemble) for name in ensemble.attacks]

    def _member(self, name: str, ensemble: Ensemble) -> Case:
        if name in self.suite.attacks:
            return Case(self.suite, self.model_name, name)
        attack = Attack.model_validate(MEMBERS[name](ensemble.norm, ensemble.eps))
        return Case(self.suite.model_copy(update={"attacks": {name: attack}}), self.model_name, name)

    @property
    def groups(self) -> list[str]:
        return [group for group, models in self.suite.groups.items() if self.model_name in models]

    @property
    def normalisation(self) -> Normalisation:
        """Return the normalisation that the file states.

        What a library knows comes before the suite's: see ``evaluate.models.sources``.
        """
        own = Normalisation() if self.model.range is not None else self.suite.normalisation
        return self.model.normalisation or own

    @property
    def batch_size(self) -> int:
        return self.attack.batch_size or self.suite.batch_size

    @property
    def level(self) -> float:
        """Return the level of each of this case's tests alone, whatever else is run."""
        return self.suite.alpha_of(self.model_name) * self.weight

    @property
    def weight(self) -> float:
        """Return the share of its model's alpha that each of this case's tests has."""
        return self.suite.levels.cases / max(1, len(self.suite.regular_attacks)) / hypotheses_of_a_case()

    def error(self, key: str, problem: str) -> RobustnessError:
        """Return an error that says what is wrong with a key of the suite file."""
        return RobustnessError(f"{self.suite.path}: {key}: {problem}")

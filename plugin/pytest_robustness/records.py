"""What is stored and sent: protocols, measurements and their JSON form. Plain data, no torch."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from statistics import fmean
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from pytest_robustness.errors import RobustnessError

SCHEMA: Literal[1] = 1
#: Changes whenever the meaning of a measured value does.
PROTOCOL_VERSION = 1
NOISE = "1 - SSIM, 7x7 uniform window, sample covariance, data range 1, mean over channels"
#: Stored noise rates are rounded, and so is everything before it is judged.
NOISE_DIGITS = 6

Bit = Annotated[int, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Noise = Annotated[float, Field(ge=0, le=2)]
Effort = Annotated[int, Field(ge=0, lt=2**31)]
Parameter = bool | int | Finite | str


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)


def absent(value: Any) -> bool:
    """Fields that came later are left out where they say nothing: what was stored before stays as it was."""
    return value is None


Side = PositiveInt | Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]


class Preprocessing(_Record):
    """How a photograph becomes a model's input: resized, then cut out of the middle. Always antialiased."""

    resize: Side = Field(description="of the shorter side; or height and width, whatever the shape was")
    crop: Side = Field(description="of a square; or height and width")
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bilinear"


class ImageSetId(_Record):
    """Which images: how many, of what shape, and the digest of ids, labels and pixels (of a folder: of its files)."""

    count: NonNegativeInt
    digest: str
    shape: list[PositiveInt] = Field(description="channels, height, width")


class Protocol(_Record):
    """All that must be equal before two measurements may be compared."""

    version: int = PROTOCOL_VERSION
    attack: str = Field(description="the attack's class")
    parameters: dict[str, Parameter] = Field(description="every parameter of the attack, defaults included")
    stop: str
    images: ImageSetId
    unselected: ImageSetId | None
    preprocessing: Preprocessing | None = Field(default=None, exclude_if=absent, description="of a folder's images")
    labels: Literal["predicted"] | None = Field(
        default=None, exclude_if=absent, description="predicted: what the model itself says of the clean image"
    )
    batch_size: PositiveInt
    row_floor: PositiveInt
    seed: NonNegativeInt
    dtype: str
    memory_format: Literal["channels_last"] | None = Field(default=None, exclude_if=absent)
    noise: str = NOISE

    @property
    def digest(self) -> str:
        canonical = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()

    def first_difference(self, other: Protocol) -> str | None:
        """The first differing key with both values, or None for equal protocols."""
        mine, theirs = dict(_flat(self.model_dump())), dict(_flat(other.model_dump()))
        for key in sorted(mine.keys() | theirs.keys()):
            if mine.get(key) != theirs.get(key):
                return f"{key}: {_short(mine.get(key))} is now {_short(theirs.get(key))}"
        return None


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}...{text[-4:]}"


class Evidence(_Record):
    """What happened to each image, in the order of the image set.

    ``effort`` is null where there was no attempt and for attacks that cannot tell; B + 1 means never fooled.
    ``noise`` is null where there was no success.
    """

    correct: list[Bit]
    success: list[Bit]
    effort: list[Effort | None] | None
    noise: list[Noise | None]
    unselected_correct: list[Bit] | None
    unselected_top_5: list[Bit] | None = Field(default=None, exclude_if=absent)

    @property
    def digest(self) -> str:
        """Rounded averages do not show every edit; this does."""
        return sha256(self.model_dump_json().encode()).hexdigest()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        lengths = {len(self.correct), len(self.success), len(self.noise)}
        if len(lengths) > 1 or (self.effort is not None and len(self.effort) not in lengths):
            raise ValueError("arrays of different lengths")
        for top_1, top_5 in zip(self.unselected_correct or (), self.unselected_top_5 or (), strict=False):
            if top_1 > top_5:
                raise ValueError("an unselected image is correct, but not among the first five")
        for i, (correct, success, noise) in enumerate(zip(self.correct, self.success, self.noise, strict=True)):
            if success and not correct:
                raise ValueError(f"image {i} is a success although it was wrong when clean")
            if bool(success) != (noise is not None):
                raise ValueError(f"image {i} has {'no ' if success else 'a '}noise rate although success is {success}")
            if self.effort is not None and (self.effort[i] is None) != (not correct):
                raise ValueError(f"image {i}: effort and attempt disagree")
        return self


class Aggregates(_Record):
    """Rates over a case. None where nothing can be averaged."""

    images: NonNegativeInt
    attempts: NonNegativeInt
    successes: NonNegativeInt
    success_rate: Finite | None
    robust_accuracy: Finite | None
    noise_rate: Finite | None
    effort: Finite | None
    clean_accuracy: Finite | None
    top_5_accuracy: Finite | None = Field(default=None, exclude_if=absent)

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        attempts, successes = sum(evidence.correct), sum(evidence.success)
        images = len(evidence.correct)
        return cls(
            images=images,
            attempts=attempts,
            successes=successes,
            success_rate=_mean(evidence.success, attempts),
            robust_accuracy=_mean([attempts - successes], images),
            noise_rate=_mean([value for value in evidence.noise if value is not None]),
            effort=_mean([value for value in evidence.effort or () if value is not None]),
            clean_accuracy=_mean(evidence.unselected_correct or ()),
            top_5_accuracy=_mean(evidence.unselected_top_5 or ()),
        )


def _mean(values: list[Any] | tuple[()], count: int | None = None) -> float | None:
    count = len(values) if count is None else count
    return round(fmean(values) * len(values) / count, NOISE_DIGITS) if count and values else None


class Timing(_Record):
    """Attack time. Seconds are process CPU time on a CPU and device time on a GPU.

    A gradient unit is one forward and backward to the input of the same batch, timed beside the attack.
    """

    seconds_per_attempt: Finite | None
    gradient_units: Finite | None
    unit_spread: Finite | None = Field(description="relative, of units per image or of rounds, whichever is larger")
    gradients: Finite = Field(description="gradient evaluations of a batch, averaged over batches")
    peak_memory: NonNegativeInt | None = Field(
        default=None, exclude_if=absent, description="bytes: of the GPU's tensors, or of the whole process on a CPU"
    )
    threads: PositiveInt | None = Field(
        default=None, exclude_if=absent, description="of a CPU; waiting for one another costs CPU time too"
    )
    doubt: str | None = Field(default=None, description="why the time should not be judged")


class Architecture(_Record):
    """What a model is made of, as its forward does it: heads that are for training only count as parameters alone."""

    parameters: NonNegativeInt
    layers: NonNegativeInt = Field(description="convolutions and fully connected layers, all branches counted")
    activations: list[str] = Field(description="the most frequent first")


class Provenance(_Record):
    """Where a measurement comes from. Never compared, but for the device and what the model is."""

    device: str = Field(description="the product, with the vector instructions used")
    device_kind: str = Field(description="cpu or cuda")
    model: str = Field(description="the model's source")
    weights_digest: str = Field(description="sha256 of all parameters and buffers, and of the normalisation")
    code_digest: str | None = Field(description="sha256 of the operators; null where they cannot be followed")
    plugin: str
    torch: str
    attacks: str = Field(description="the attack's library and version")
    commit: str | None = None
    images: str | None = Field(default=None, exclude_if=absent, description="what decoded a folder's images")
    architecture: Architecture | None = Field(default=None, exclude_if=absent)

    def changes(self, before: Provenance) -> list[str]:
        """What of the model is known to differ. Code of different torch versions cannot be compared."""
        digests = {"weights": (before.weights_digest, self.weights_digest)}
        if self.torch == before.torch:
            digests["code"] = (before.code_digest or "unknown", self.code_digest or "unknown")
        return [f"{what} {then[:8]} -> {now[:8]}" for what, (then, now) in digests.items() if then != now]


class Estimate(_Record):
    """What a trial on a few images tells of a case on all of them, in wall seconds."""

    seconds: Finite
    full_seconds: Finite
    images: PositiveInt = Field(description="all of them")


class Measurement(_Record):
    """The evidence of one case with all that is needed to read it. A baseline is a stored measurement."""

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    case: str
    budget: NonNegativeInt | None = Field(description="gradient evaluations an image may cost; effort B + 1 is never")
    timing: Timing
    protocol: Protocol
    provenance: Provenance
    evidence: Evidence

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(self.evidence.correct) != self.protocol.images.count:
            raise ValueError(f"evidence of {len(self.evidence.correct)} images, not {self.protocol.images.count}")
        blind, chosen = self.evidence.unselected_correct, self.protocol.unselected
        if (None if blind is None else len(blind)) != (None if chosen is None else chosen.count):
            raise ValueError("evidence and protocol disagree about the unselected images")
        top_5 = self.evidence.unselected_top_5
        if top_5 is not None and (blind is None or len(top_5) != len(blind)):
            raise ValueError("top-5 and top-1 answers are not of the same unselected images")
        return self

    @property
    def aggregates(self) -> Aggregates:
        return Aggregates.of(self.evidence)

    @property
    def seconds(self) -> float | None:
        """All that the attack took; None where nothing was attacked."""
        each = self.timing.seconds_per_attempt
        return None if each is None else each * sum(self.evidence.correct)

    def to_json(self) -> str:
        """Aggregates first, evidence last, one array a line, sorted keys, newline at the end."""
        data = self.model_dump()
        head = {key: data[key] for key in ("schema", "case", "budget")}
        sections = {
            **head,
            "aggregates": self.aggregates.model_dump(),
            "evidence_digest": self.evidence.digest,
            **{key: data[key] for key in ("timing", "protocol", "provenance", "evidence")},
        }
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {_pretty(v, 4)}" for k, v in sections.items()) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises RobustnessError, in one line, for anything ``to_json`` could not have written."""
        data = versioned(text, "measurement", SCHEMA)
        stored, digest = data.pop("aggregates", None), data.pop("evidence_digest", None)
        try:
            measurement = cls.model_validate(data)
        except ValidationError as error:
            raise RobustnessError(first_problem(error)) from None
        if stored != measurement.aggregates.model_dump() or digest != measurement.evidence.digest:
            raise RobustnessError("evidence and aggregates disagree: was it edited by hand?")
        return measurement


def versioned(text: str, what: str, schema: int) -> dict[str, Any]:
    """The object of a stored JSON file. Raises RobustnessError for none, or for one of another schema."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RobustnessError(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise RobustnessError(f"not a {what}: no object at the top")
    if type(data.get("schema")) is not int or data["schema"] != schema:
        raise RobustnessError(f"schema: {reprlib.repr(data.get('schema'))} is not {schema}, the one this version reads")
    return data


def first_problem(error: ValidationError) -> str:
    """Key and problem, in one line."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _pretty(value: Any, indent: int) -> str:
    """Objects indented with sorted keys, arrays on one line."""
    if not isinstance(value, dict):
        return json.dumps(value, allow_nan=False)
    if not value:
        return "{}"
    pad = " " * indent
    lines = [f"{pad}{json.dumps(key)}: {_pretty(value[key], indent + 2)}" for key in sorted(value)]
    return "{\n" + ",\n".join(lines) + "\n" + " " * (indent - 2) + "}"

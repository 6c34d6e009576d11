"""Protocols: all that must be equal before two measurements may be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from pytest_robustness.records.base import Finite, Record, is_none

#: Changes whenever the meaning of a measured value does.
PROTOCOL_VERSION = 1
NOISE = "1 - SSIM, 7x7 uniform window, sample covariance, data range 1, mean over channels"
#: What attacks were called in files written before they had a name of their own.
FORMER_NAMES = {"pytest_robustness.evaluate.attacks.cw:CW": "CW"}
FORMER_PATHS = {name: path for path, name in FORMER_NAMES.items()}
Parameter = bool | int | Finite | str
Side = PositiveInt | Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]


class Preprocessing(Record):
    """How a photograph becomes a model's input: resized, then cut out of the middle. Always antialiased."""

    resize: Side = Field(description="of the shorter side; or height and width, whatever the shape was")
    crop: Side = Field(description="of a square; or height and width")
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bilinear"


class ImageSetId(Record):
    """Which images: how many, of what shape, and the digest of ids, labels and pixels (of a folder: of its files)."""

    count: NonNegativeInt
    digest: str
    shape: list[PositiveInt] = Field(description="channels, height, width")


def _current_name(attack: Any) -> Any:
    """Of an attack that was stored by the path of its class, before it had a name."""
    return FORMER_NAMES.get(attack, attack) if isinstance(attack, str) else attack


class Protocol(Record):
    """All that must be equal before two measurements may be compared."""

    version: int = PROTOCOL_VERSION
    attack: Annotated[str, BeforeValidator(_current_name)] = Field(
        description="the attack's name, or its class where it is a library's"
    )
    parameters: dict[str, Parameter] = Field(description="every parameter of the attack, defaults included")
    stop: str
    images: ImageSetId
    unselected: ImageSetId | None
    preprocessing: Preprocessing | None = Field(default=None, exclude_if=is_none, description="of a folder's images")
    labels: Literal["predicted"] | None = Field(
        default=None, exclude_if=is_none, description="predicted: what the model itself says of the clean image"
    )
    batch_size: PositiveInt
    row_floor: PositiveInt
    seed: NonNegativeInt
    dtype: str
    memory_format: Literal["channels_last"] | None = Field(default=None, exclude_if=is_none)
    noise: str = NOISE

    @property
    def digest(self) -> str:
        same = {"attack": FORMER_PATHS.get(self.attack, self.attack)}  # a digest outlives the name it was made with
        canonical = json.dumps(self.model_dump() | same, sort_keys=True, separators=(",", ":"))
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

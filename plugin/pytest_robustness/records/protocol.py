"""Protocols: all that must be equal before two measurements may be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from pytest_robustness.records.base import Finite, Record, is_none

#: The version of a protocol. It changes whenever the meaning of a measured value changes.
PROTOCOL_VERSION = 2
NOISE = "1 - SSIM, 7x7 uniform window, sample covariance, data range 1, mean over channels"
Parameter = bool | int | Finite | str
Side = PositiveInt | Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]


class Preprocessing(Record):
    """Says how a photograph becomes a model's input: resized with antialiasing, then cut out of the middle."""

    resize: Side = Field(description="of the shorter side; or height and width, whatever the shape was")
    crop: Side = Field(description="of a square; or height and width")
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = Field(
        default="bilinear", description="of the resizing"
    )
    mode: Literal["RGB", "L"] = Field(
        default="RGB", exclude_if=lambda mode: mode == "RGB", description="L: grey, of one channel"
    )


class Batch(Record):
    """Holds what else must be equal where an image's result depends on the other images of its batch."""

    size: PositiveInt
    images: str = Field(description="digest of the image set: which images, in which order")


class Protocol(Record):
    """Holds all that must be equal before two measurements may be compared, except the images.

    An image is compared with itself: by its key and label, wherever it lies in its set. Only of an attack whose
    results depend on the batch are the set and the size of its batches a part of the protocol.
    """

    version: int = PROTOCOL_VERSION
    attack: str = Field(description="the attack's name, or its class where it is a library's")
    parameters: dict[str, Parameter] = Field(description="every parameter of the attack, defaults included")
    stop: str
    shape: list[PositiveInt] = Field(description="of an image: channels, height, width")
    preprocessing: Preprocessing | None = Field(default=None, exclude_if=is_none, description="of a folder's images")
    labels: Literal["predicted"] | None = Field(
        default=None, exclude_if=is_none, description="predicted: what the model itself says of the clean image"
    )
    seed: NonNegativeInt
    dtype: str
    memory_format: Literal["channels_last"] | None = Field(default=None, exclude_if=is_none)
    noise: str = NOISE
    distance: Literal["inf", "2", "1"] | None = Field(
        default=None, exclude_if=is_none, description="the norm of the distances of an attack that looks for small ones"
    )
    batch: Batch | None = Field(
        default=None, exclude_if=is_none, description="of an attack that is called with a whole batch"
    )

    @property
    def digest(self) -> str:
        canonical = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()

    def first_difference(self, other: Protocol) -> str | None:
        """Return the first key that differs, with both values. Returns None when the protocols are equal."""
        mine, theirs = dict(_flat(self.model_dump())), dict(_flat(other.model_dump()))
        for key in sorted(mine.keys() | theirs.keys()):
            if mine.get(key) != theirs.get(key):
                return f"{key}: {_short(mine.get(key))} is now {_short(theirs.get(key))}"
        return None


def from_version_1(protocol: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Convert a stored protocol of version 1 to the present form, and return it with what is no longer part of it.

    The protocol's version stays 1, so it equals no present protocol. In version 1 image sets, batch size and row floor
    were part of every protocol.

    Returns the protocol, and a dictionary of ``images``, ``unselected`` and ``row_floor``. Raises KeyError, TypeError
    or ValueError when the protocol is not as version 1 stored it.
    """
    now = dict(protocol)
    images, unselected = dict(now.pop("images")), now.pop("unselected")
    now["shape"] = images.pop("shape")
    now["batch"] = {"size": now.pop("batch_size"), "images": images["digest"]}
    moved = {
        "images": images,
        "unselected": unselected and {key: unselected[key] for key in ("count", "digest")},
        "row_floor": now.pop("row_floor"),
    }
    return now, moved


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}...{text[-4:]}"

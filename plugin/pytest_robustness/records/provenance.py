"""Provenance: where a measurement comes from, and what its model is."""

from __future__ import annotations

import re

from pydantic import Field, NonNegativeInt, PositiveInt

from pytest_robustness.records.base import Record, is_none

#: The vector instructions at the end of a CPU's name.
INSTRUCTIONS = re.compile(r"\(([^()]*)\)$")


def computes_with(kind: str, device: str) -> str:
    """Return what the bits of a device's results depend on, by its kind and name, as a provenance has them."""
    found = INSTRUCTIONS.search(device) if kind == "cpu" else None
    return f"{kind}, {found[1] if found else device}"


class Architecture(Record):
    """Describes what a model is made of, as its forward uses it.

    Heads that are for training only are counted in ``parameters`` alone.
    """

    parameters: NonNegativeInt
    layers: NonNegativeInt = Field(description="convolutions and fully connected layers, all branches counted")
    activations: list[str] = Field(description="the most frequent first")


class Provenance(Record):
    """Records where a measurement comes from. Only the device and what the model is are ever compared."""

    device: str = Field(description="the product, with the vector instructions used")
    device_kind: str = Field(description="cpu or cuda")
    model: str = Field(description="the model's source")
    weights_digest: str = Field(description="sha256 of all parameters and buffers, and of the normalisation")
    code_digest: str | None = Field(description="sha256 of the operators; null where they cannot be followed")
    plugin: str
    torch: str
    attacks: str = Field(description="the attack's library and version")
    commit: str | None = None
    images: str | None = Field(default=None, exclude_if=is_none, description="what decoded a folder's images")
    row_floor: PositiveInt | None = Field(
        default=None, exclude_if=is_none, description="rows of the smallest batch that was bit-equal to a full one"
    )
    removed_images: NonNegativeInt | None = Field(
        default=None, exclude_if=is_none, description="of earlier baselines, whose absence somebody accepted"
    )
    accepted_suspicious: list[str] | None = Field(
        default=None, exclude_if=is_none, description="masking checks that failed when somebody accepted the values"
    )
    architecture: Architecture | None = Field(default=None, exclude_if=is_none)

    @property
    def computes_with(self) -> str:
        """Return what the bits of a result depend on: the product of a GPU, the vector instructions of a CPU."""
        return computes_with(self.device_kind, self.device)

    def changes(self, before: Provenance) -> list[str]:
        """Return what is known to differ between the models, in a few words each.

        Code of different torch versions cannot be compared, and is left out.
        """
        digests = {"weights": (before.weights_digest, self.weights_digest)}
        if self.torch == before.torch:
            digests["code"] = (before.code_digest or "unknown", self.code_digest or "unknown")
        return [f"{what} {then[:8]} -> {now[:8]}" for what, (then, now) in digests.items() if then != now]

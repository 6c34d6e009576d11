"""Slices of a suite's images, by their class or by columns of their list."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationInfo

#: Slices images by their class, which needs no column.
CLASS = "class"
#: Columns of a list, and arrays of a file, that have another meaning.
TAKEN = ("path", "label", "sha256", "images", "labels", "ids")


def _known(slices: list[str], info: ValidationInfo) -> list[str]:
    images = info.data.get("images")
    for column in slices:
        if column in TAKEN:
            raise ValueError(f"{column!r} is no column to slice by: should be {CLASS!r} or a column of one's own")
        if slices.count(column) > 1:
            raise ValueError(f"{column!r} is named twice")
        if column == CLASS and images is not None and images.labels == "predicted":
            raise ValueError("class needs labels: predicted ones differ between two models")
        if column != CLASS and images is not None and images.folder is not None and images.selected is None:
            raise ValueError(f"{column!r} should be a column of images.selected, which this suite does not have")
    return slices


Slices = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100)]],
    AfterValidator(_known),
]

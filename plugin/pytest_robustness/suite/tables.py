"""Tables of a suite that say where images come from and how they are normalised."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pytest_robustness.files import is_file
from pytest_robustness.suite.scales import beyond_pixels

#: The classes of ImageNet, by wnid or plain name.
IMAGENET = "imagenet-1k"


@dataclass(frozen=True)
class Reading:
    """Says how a suite is read: what its paths are relative to, and whether the files it names must be there."""

    folder: Path
    files: bool = True


def beside_suite(value: Any, info: ValidationInfo) -> Any:
    """Resolve a path against the folder of the suite file, and return any other value as it is."""
    if not isinstance(value, str | Path) or not isinstance(info.context, Reading):
        return value
    path = info.context.folder / value
    # Of a suite that is still to be written the folder may be, too, and nothing is found by way of it.
    return path if info.context.folder.exists() else Path(os.path.normpath(path))


def is_missing(path: Path, info: ValidationInfo) -> bool:
    """Return whether a file that must be there is not."""
    return (not isinstance(info.context, Reading) or info.context.files) and not is_file(path)


def _existing(path: Path, info: ValidationInfo) -> Path:
    if is_missing(path, info):
        raise PydanticCustomError("path_not_file", "{path}", {"path": str(path)})
    return path


def _image_list(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Return the path of a list (``.csv``), which may still have to be written, or of a file that must exist."""
    path = handler(value)
    return path if path is None or path.suffix == ".csv" else _existing(path, info)


def _classes(value: Any, info: ValidationInfo) -> Any:
    return value if value == IMAGENET or not isinstance(value, str) else str(beside_suite(value, info))


ExistingFile = Annotated[Path, BeforeValidator(beside_suite), AfterValidator(_existing)]
#: A path that need not be there when the suite is read.
SuitePath = Annotated[Path, BeforeValidator(beside_suite)]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
#: A tuple, because ``Images`` is a key of the cache of images that were read.
Names = Annotated[tuple[str, ...], Field(strict=False)]
Channels = Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=16)]
Deviations = Annotated[
    tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(min_length=1, max_length=16)
]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Images(Table):
    """Names the image sets: ``.npz`` files, or a folder of photographs and lists of those chosen from it.

    A file has ``images`` (N, H, W, C) uint8, ``labels`` (N,) and ``ids`` (N,). A folder's images are decoded and
    preprocessed as each model expects.
    """

    file: ExistingFile | None = Field(
        default=None, description="attacked images, classified correctly by the suite's models"
    )
    folder: SuitePath | None = Field(default=None, description="of photographs; --robustness-images names another")
    selected: SuitePath | None = Field(
        default=None, description=".csv of the folder's attacked images; none: all of them"
    )
    unselected: Annotated[SuitePath | None, WrapValidator(_image_list)] = Field(
        default=None,
        validation_alias=AliasChoices("unselected", "clean_images"),
        description="images chosen blindly, for clean accuracy: .npz or .csv, as the others; or clean_images",
    )
    classes: Annotated[str | Names | None, BeforeValidator(_classes)] = Field(
        default=None,
        description="what the labels 0, 1, 2, ... are called: a list; or of a folder imagenet-1k, or a text file with "
        "a class a line; none: the folder's, sorted",
    )
    labels: Literal["given", "predicted"] = Field(
        default="given", description="predicted: what a model says of the clean image, for images without labels"
    )
    top_5: bool = Field(default=False, description="clean accuracy is also counted among the first five answers")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.file is None) == (self.folder is None):
            raise ValueError("should have either a file or a folder")
        if self.file is not None and (self.selected or isinstance(self.classes, str)):
            raise ValueError("selected and classes by name are of a folder, not of a file")
        suffix = ".npz" if self.file else ".csv"
        for key, path in (("selected", self.selected), ("unselected", self.unselected)):
            if path is not None and path.suffix != suffix:
                raise ValueError(f"{key} should be a {suffix} file, not {path.name}")
        return self


class Normalisation(Table):
    """Holds mean and std of ``(image - mean) / std``, which the classifier computes per channel."""

    mean: Annotated[Channels, Field(strict=False)] = Field(default=(0.0,), description="per channel, or one for all")
    std: Annotated[Deviations, Field(strict=False)] = Field(default=(1.0,), description="per channel, or one for all")

    def check_scale(self, otherwise: str = "") -> None:
        """Raise ValueError, naming the key, when a value exceeds a pixel's range of [0, 1]."""
        for name in ("mean", "std"):
            if (problem := beyond_pixels(*getattr(self, name))) is not None:
                raise ValueError(f"{name}: {problem}{otherwise}")

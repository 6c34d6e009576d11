"""Tables of a suite that say where images and models come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pytest_robustness.files import is_file
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.scales import beyond_pixels

#: Sources that are a library's models and not a module's factory: ``torchvision:vgg11``.
LIBRARIES = ("torchvision", "timm")
#: The classes of ImageNet, by wnid or plain name.
IMAGENET = "imagenet-1k"
WEIGHT_FILES = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True)
class Reading:
    """How a suite is read: what its paths are relative to, and whether the files it names must be there."""

    folder: Path
    files: bool = True


def beside_suite(value: Any, info: ValidationInfo) -> Any:
    """Paths in a suite are relative to the suite file."""
    return info.context.folder / value if isinstance(value, str | Path) and isinstance(info.context, Reading) else value


def _is_missing(path: Path, info: ValidationInfo) -> bool:
    """Whether a file that must be there is not."""
    return (not isinstance(info.context, Reading) or info.context.files) and not is_file(path)


def _existing(path: Path, info: ValidationInfo) -> Path:
    if _is_missing(path, info):
        raise PydanticCustomError("path_not_file", "{path}", {"path": str(path)})
    return path


def _weights(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """A library's own name of weights stays a name, all else is a file that exists."""
    library = str(info.data.get("source", "")).partition(":")[0] in LIBRARIES
    if library and isinstance(value, str) and Path(value).suffix not in WEIGHT_FILES:
        return handler(value)
    path = handler(beside_suite(value, info))
    if isinstance(path, str) or (path is not None and _is_missing(path, info)):
        raise PydanticCustomError("path_not_file", "{path}", {"path": str(path)})
    return path


def _image_list(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """A list of a folder's images may still have to be chosen; a file of images is there or missing."""
    path = handler(value)
    return path if path is None or path.suffix == ".csv" else _existing(path, info)


def _classes(value: Any, info: ValidationInfo) -> Any:
    return value if value == IMAGENET or not isinstance(value, str) else str(beside_suite(value, info))


ExistingFile = Annotated[Path, BeforeValidator(beside_suite), AfterValidator(_existing)]
#: One that need not be there when the suite is read.
SuitePath = Annotated[Path, BeforeValidator(beside_suite)]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
LibraryReference = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(LIBRARIES)}):[A-Za-z_]\w*(@\w[\w.-]*)?$")]
#: A tuple, because tables of images are keys of what was read of them.
Names = Annotated[tuple[str, ...], Field(strict=False)]
Channels = Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=16)]
Deviations = Annotated[
    tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(min_length=1, max_length=16)
]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Images(Table):
    """The image sets: ``.npz`` files, or a folder of photographs and lists of those that were chosen of it.

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
        default=None, description="images chosen blindly, for clean accuracy: .npz or .csv, as the others"
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
    """``(image - mean) / std`` per channel, inside the classifier."""

    mean: Annotated[Channels, Field(strict=False)] = (0.0,)
    std: Annotated[Deviations, Field(strict=False)] = (1.0,)

    @field_validator("mean", "std")
    @classmethod
    def _of_pixels(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if (problem := beyond_pixels(*values)) is not None:
            raise ValueError(problem)
        return values


class Model(Table):
    """A model, its weights, and what it expects of an image."""

    source: Reference = Field(description="torchvision:NAME, timm:NAME or package.module:factory, without arguments")
    weights: Annotated[Path | str | None, WrapValidator(_weights)] = Field(
        default=None, description=".safetensors or .pth, or a library's own name; none: as the source returns it"
    )
    like: LibraryReference | None = Field(
        default=None, description="LIBRARY:NAME@WEIGHTS whose preprocessing and normalisation are this model's too"
    )
    preprocessing: Preprocessing | None = None
    normalisation: Normalisation | None = None

    @property
    def library(self) -> str | None:
        """The library the source names, if it is one."""
        prefix = self.source.partition(":")[0]
        return prefix if prefix in LIBRARIES else None

    def candidate_table(self, source: str) -> dict[str, Any]:
        """The table of another model in this one's place: a library's brings its own preprocessing."""
        if source.partition(":")[0] in LIBRARIES:
            return {"source": source}
        name = f"@{self.weights}" if isinstance(self.weights, str) else ""
        like = self.like or (f"{self.source}{name}" if self.library else None)
        return {
            "source": source,
            "like": like,
            "preprocessing": self.preprocessing,
            "normalisation": self.normalisation,
        }

"""A suite's table of a model: where it comes from, how it takes an image, and how it answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pytest_robustness.extensions import declared
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.tables import Normalisation, Table, beside_suite, is_missing

#: Sources that are a library's models and not a module's factory, ``torchvision:vgg11``: ours, and other packages'.
LIBRARIES = ("torchvision", "timm", "transformers", *declared("libraries"))
WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
#: Sources that are files, program and weights in one, and what reads them, by suffix.
PROGRAM_FILES = {
    ".pt": "torchscript",
    ".ts": "torchscript",
    ".torchscript": "torchscript",
    ".pt2": "exported",
    ".onnx": "onnx",
}
FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _source(value: str, info: ValidationInfo) -> str:
    """Return a source, its path resolved against the suite's folder. Raise an error when its file is not there."""
    library, separator, name = value.partition(":")
    if separator and library == "transformers":
        folder = beside_suite(name, info)
        return f"{library}:{Path(folder).absolute()}" if Path(folder).is_dir() else value
    if Path(value).suffix in PROGRAM_FILES and not FACTORY.fullmatch(value):
        path = Path(beside_suite(value, info)).absolute()
        if is_missing(path, info):
            raise PydanticCustomError("path_not_file", "{path}", {"path": str(path)})
        return str(path)
    if not FACTORY.fullmatch(value):
        raise ValueError(
            "should be package.module:factory, torchvision:NAME, timm:NAME, transformers:NAME_OR_FOLDER, or a file "
            f"({', '.join(PROGRAM_FILES)})"
        )
    return value


def _weights(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Return a library's own name of weights as it is. Anything else but None must be a file that exists."""
    library = str(info.data.get("source", "")).partition(":")[0] in LIBRARIES
    if library and isinstance(value, str) and Path(value).suffix not in WEIGHT_FILES:
        return handler(value)
    path = handler(beside_suite(value, info))
    if isinstance(path, str) or (path is not None and is_missing(path, info)):
        raise PydanticCustomError("path_not_file", "{path}", {"path": str(path)})
    return path


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise ValueError("should be [least, most], the least first")
    return bounds


Source = Annotated[str, AfterValidator(_source)]
LibraryReference = Annotated[
    str, StringConstraints(pattern=rf"^({'|'.join(LIBRARIES)}):[A-Za-z_.][\w./-]*(@\w[\w.-]*)?$")
]
Range = Annotated[tuple[FiniteFloat, FiniteFloat], Field(strict=False), AfterValidator(_ascending)]


class Model(Table):
    """Describes a model, its weights, what it expects of an image, and what its answer is.

    Attacks work on pixels in [0, 1], RGB, channels first. They are converted for the model in these steps: channels,
    range, normalisation in the range's units, layout.
    """

    source: Source = Field(
        description="torchvision:NAME, timm:NAME, transformers:NAME_OR_FOLDER, package.module:factory, or a file: "
        "TorchScript, .pt2 or .onnx"
    )
    arguments: dict[str, Any] = Field(
        default={}, description="what the factory or the library's model is called with: { num_classes = 10 }"
    )
    weights: Annotated[Path | str | None, WrapValidator(_weights)] = Field(
        default=None, description=".safetensors or .pth, or a library's own name; none: as the source returns it"
    )
    like: LibraryReference | None = Field(
        default=None, description="LIBRARY:NAME@WEIGHTS whose preprocessing and normalisation are this model's too"
    )
    preprocessing: Preprocessing | None = Field(
        default=None, description="of a folder's photographs; default: the library's for this model, else the suite's"
    )
    mode: Literal["RGB", "L"] | None = Field(
        default=None, description="of a folder's photographs: L makes them grey, of one channel; default: RGB"
    )
    channels: Literal["RGB", "BGR"] = Field(default="RGB", description="their order in the model's input")
    range: Range | None = Field(default=None, description="of the model's pixels, [0, 255] say; default: [0, 1]")
    normalisation: Normalisation | None = Field(
        default=None, description="in the units of the range; default: the library's for its weights, else the suite's"
    )
    layout: Literal["NCHW", "NHWC"] = Field(default="NCHW", description="of the model's input")
    output: str | NonNegativeInt | None = Field(
        default=None, description="where the answer has several: the logits' key, attribute or place"
    )
    head: Literal["logits", "softmax", "sigmoid", "probability"] = Field(
        default="logits",
        description="softmax: the model answers with probabilities of its classes; sigmoid: with one logit, of the "
        "second of two classes; probability: with that class's probability",
    )

    black_box: bool = Field(
        default=False,
        description="without gradients: a function from a batch of images to scores or labels, or a file of ONNX; "
        "for Square and corruptions",
    )
    version: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = Field(
        default=None, description="of a black box that is a function: its identity"
    )

    @field_validator("normalisation")
    @classmethod
    def _in_the_model_s_units(cls, value: Normalisation | None, info: ValidationInfo) -> Normalisation | None:
        bounds = info.data.get("range")
        if value is not None and bounds is not None and bounds[1] - bounds[0] > 2:
            scales = [*map(abs, value.mean), *value.std]
            if max(scales) <= 1 and min(value.std) < 1:
                raise ValueError(f"it is in units of [0, 1], and the model's range is [{bounds[0]:g}, {bounds[1]:g}]")
        if value is not None and bounds is None:
            value.check_scale("; or say range = [0, 255] where the model takes such pixels")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.range is not None and self.like is not None and self.normalisation is None:
            raise ValueError("like is of pixels in [0, 1]: with a range, give normalisation too, in the range's units")
        if self.file is not None and (self.weights is not None or self.arguments):
            raise ValueError(f"weights and arguments are of a model that is built: {self.file.name} has its own")
        self._check_black_box()
        return self

    def _check_black_box(self) -> None:
        function = self.library is None and self.file is None
        if self.black_box and not function and (self.file is None or self.file.suffix != ".onnx"):
            raise ValueError("a black box is a function, package.module:function, or a file of ONNX")
        if self.black_box and function and self.version is None:
            raise ValueError("a black box needs a version: nothing else says whether it is the same as before")
        if self.black_box and (self.weights is not None or self.arguments):
            raise ValueError("weights and arguments are of a model that is built, and this is a black box")
        if self.version is not None and not self.black_box:
            raise ValueError("a version is of a black box: of other models their weights and code say it")

    @property
    def library(self) -> str | None:
        """Return the library that the source names. Returns None when it names none."""
        prefix = self.source.partition(":")[0]
        return prefix if prefix in LIBRARIES else None

    @property
    def file(self) -> Path | None:
        """Return the file that is the model, program and weights in one. Returns None when the source is no file."""
        return None if self.library or FACTORY.fullmatch(self.source) else Path(self.source)

    @property
    def folder(self) -> Path | None:
        """The folder that is the model, as transformers saves one; None when the source names none."""
        name = self.source.partition(":")[2]
        return Path(name) if self.library == "transformers" and Path(name).is_absolute() else None

    @property
    def name(self) -> str:
        """Return what is recorded of the source and of named weights, without where they lie on this machine."""
        library, separator, path = self.source.rpartition(":") if self.library else ("", "", self.source)
        source = library + separator + (Path(path).name if Path(path).is_absolute() else path)
        return source + (f"@{self.weights}" if isinstance(self.weights, str) else "")

    def candidate_table(self, source: str) -> dict[str, Any]:
        """Return the table of another model in this one's place. A library's model brings its own preprocessing."""
        if source.partition(":")[0] in LIBRARIES:
            return {"source": source}
        name = f"@{self.weights}" if isinstance(self.weights, str) else ""
        like = self.like or (f"{self.source}{name}" if self.library else None)
        same = {key: getattr(self, key) for key in type(self).model_fields if key not in {"arguments", "weights"}}
        return same | {"source": source, "like": like}

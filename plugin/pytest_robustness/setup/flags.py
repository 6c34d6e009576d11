"""What may be said of a model and its images on the command line, and how it becomes keys of a suite."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.setup.places import Places
from pytest_robustness.setup.wishes import is_weight_file
from pytest_robustness.suite.model import PROGRAM_FILES
from pytest_robustness.suite.tables import Normalisation

#: Flags that are keys of a model's table by the same names.
KEYS = ("like", "mode", "channels", "layout", "head")
#: A photograph is resized to this share of the side that is cut out of it, as most libraries do.
MARGIN = 8 / 7


@dataclass(frozen=True)
class Flags:
    """Holds the flags as they were given; None for one that was not."""

    model: str | None = None
    weights: str | None = None
    arguments: str | None = None
    name: str | None = None
    black_box: str | None = None
    like: str | None = None
    mode: str | None = None
    channels: str | None = None
    layout: str | None = None
    head: str | None = None
    output: str | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: int | None = None
    crop: int | None = None
    images: Path | None = None
    classes: str | None = None
    labels: str | None = None
    eps: str | None = None
    per_class: int | None = None
    clean_images: int = 1000
    seed: int = 0

    def table(self, source: str, weights: str | None, places: Places) -> dict[str, Any]:
        """Return the keys of the model's table. Paths become what the suite names them by."""
        found: dict[str, Any] = {"source": source_of(source, places)}
        if self.arguments is not None:
            found["arguments"] = arguments_of(self.arguments)
        if weights is not None:
            found["weights"] = places.beside_suite(Path(weights).absolute()) if is_weight_file(weights) else weights
        found |= {key: getattr(self, key) for key in KEYS if getattr(self, key) is not None}
        if self.range is not None:
            found["range"] = list(self.range)
        if self.output is not None:
            found["output"] = int(self.output) if self.output.isdecimal() else self.output
        if self.black_box is not None:
            found["black_box"] = True
            if Path(source).suffix not in PROGRAM_FILES:
                found["version"] = self.black_box
        return found

    @property
    def normalisation(self) -> Normalisation | None:
        """Return the mean and std that were given. Returns None when none was."""
        if self.mean is None and self.std is None:
            return None
        return Normalisation(mean=self.mean or (0.0,), std=self.std or (1.0,))

    @property
    def preprocessing(self) -> Preprocessing | None:
        """Return the resizing and cropping that were given. Returns None when no crop was."""
        if self.crop is None:
            if self.resize is not None:
                raise RobustnessError(f"--resize {self.resize}: give --crop too, the side of the model's images")
            return None
        return cropped(self.crop, self.resize)


def cropped(crop: int, resize: int | None = None) -> Preprocessing:
    """Return the preprocessing that cuts a square out of the middle of a photograph."""
    return Preprocessing(resize=resize or round(crop * MARGIN), crop=crop)


def source_of(source: str, places: Places) -> str:
    """Return a model's source as the suite names it: a file and a folder relative to it, anything else as it is."""
    library, separator, name = source.partition(":")
    if separator and library == "transformers" and Path(name).is_dir():
        return f"{library}:{places.beside_suite(Path(name).absolute())}"
    if Path(source).suffix in PROGRAM_FILES and Path(source).exists():
        return places.beside_suite(Path(source).absolute())
    return source


def arguments_of(text: str) -> Mapping[str, Any]:
    """Read arguments, ``num_classes = 10, in_chans = 1``, with or without braces, as TOML writes them."""
    inside = text.strip().removeprefix("{").removesuffix("}")
    try:
        found: Mapping[str, Any] = tomllib.loads(f"arguments = {{{inside}}}")["arguments"]
    except ValueError as error:
        raise RobustnessError(f"--arguments {text}: should be 'num_classes = 10, in_chans = 1': {error}") from None
    return found

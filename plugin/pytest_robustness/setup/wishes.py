"""What is known of a suite that is to be written, and how it is written as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pytest_robustness.errors import RobustnessError, encodable
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.model import PROGRAM_FILES, WEIGHT_FILES
from pytest_robustness.suite.tables import Normalisation

#: Epsilons that are common, and what each means to somebody who looks at the images.
EPSILONS = {
    "8/255": "seen as noise when compared closely",
    "4/255": "hardly seen",
    "2/255": "not seen",
    "1/255": "one level of an 8-bit pixel",
}


@dataclass(frozen=True)
class Wishes:
    """Holds what the suite's text is made of.

    Attributes:
        name: of the model in the suite.
        model: the keys of its table, as TOML has them, but for preprocessing and normalisation.
        images: a folder of photographs, or an ``.npz`` file.
        classes: what the labels are called, in order; ``imagenet-1k``; or None, for a folder's own, sorted.
        predicted: whether labels are what the model says of the clean image.
        preprocessing, normalisation: None where a library knows them.
        eps: as it was given, ``8/255`` or ``0.03``.
    """

    name: str
    model: Mapping[str, Any]
    images: Path
    classes: tuple[str, ...] | str | None = None
    predicted: bool = False
    preprocessing: Preprocessing | None = None
    normalisation: Normalisation | None = None
    eps: str = "8/255"
    listed: bool = field(default=True)

    @property
    def black_box(self) -> bool:
        return bool(self.model.get("black_box"))

    @property
    def is_folder(self) -> bool:
        return self.images.suffix != ".npz"


def number(text: str) -> float:
    """Return an epsilon: a number or a fraction. Raise RobustnessError when it is none in (0, 1]."""
    try:
        value = float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError):
        raise RobustnessError(f"--eps {text}: should be a number or a fraction, 8/255 say") from None
    if not 0 < value <= 1:
        raise RobustnessError(f"--eps {text}: should be in (0, 1], as pixels are: {value:g}/255 was perhaps meant")
    return value


def name_of(source: str) -> str:
    """Return a name for a model in the suite: the last part of its source."""
    library, _, named = source.rpartition(":")
    last = Path(named).stem if Path(named).suffix in PROGRAM_FILES or "/" in named else named
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", last).strip("._-+")
    return name or library or "model"


def is_weight_file(text: str) -> bool:
    """Return whether weights are a file, and not a library's own name of some."""
    return Path(text).suffix in WEIGHT_FILES


def toml(value: Any) -> str:
    """Write a value of a suite as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if encodable(value) != value:
            raise RobustnessError(f"{value}: a name that no file of UTF-8 can hold: rename it")
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)

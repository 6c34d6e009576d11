"""The texts of the files that are written: templates of this folder, filled in."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.setup.places import CLEAN, LISTS, SELECTED, Places
from pytest_robustness.setup.wishes import Wishes, number, toml
from pytest_robustness.suite.load import validated
from pytest_robustness.suite.suite import Suite

HOME = "https://github.com/pytest-robustness/pytest-robustness"
#: Where the comment behind a value begins.
COLUMN = 30
#: The side of images that are small, and how many of these and of others are computed at a time.
SMALL = 64
FEW_PIXELS, MANY_PIXELS = 100, 32
#: Queries of an attack on a black box, of which each costs a forward.
QUERIES = 300


class _Text(Template):
    """Fills in ``%%{name}``: dollars and braces are what workflows are full of."""

    delimiter = "%%"


def filled(template: str, /, **values: object) -> str:
    """Return the text of a template. Raises KeyError for a value that is missing."""
    text = files(__package__).joinpath("templates", template).read_text(encoding="utf-8")
    return _Text(text).substitute(values)


def suite_text(wishes: Wishes, places: Places) -> str:
    """Return the text of the suite's file."""
    small = not wishes.is_folder or (wishes.preprocessing is not None and _side(wishes.preprocessing) <= SMALL)
    batch = FEW_PIXELS if small else MANY_PIXELS
    return filled(
        "robustness.toml",
        home=HOME,
        test=shlex.quote(places.repository.shown(places.test)),
        batch=_line("batch_size", batch, "images computed at a time: fewer where memory is short"),
        images="\n".join(_images(wishes, places)),
        name=_table_key(wishes.name),
        model="\n".join(_model(wishes)),
        attack=attack_of(wishes),
        parameters="\n".join(_attack(wishes)),
    )


def suite_of(text: str, path: Path) -> Suite:
    """Return the suite that a text is, as if it lay in the file. Raises RobustnessError, naming its key, if it is none.

    Models and weights that it names have to be there; the lists of images need not.
    """
    return validated(tomllib.loads(text), path)


def attack_of(wishes: Wishes) -> str:
    """Return the name of the attack that the suite begins with: one without gradients for a black box."""
    return "square" if wishes.black_box else "pgd"


def _images(wishes: Wishes, places: Places) -> Iterator[str]:
    shown = places.beside_suite(wishes.images)
    if not wishes.is_folder:
        yield _line("file", shown, "images (N, H, W, C) uint8, labels (N,), ids (N,)")
        return
    inside = wishes.images.is_relative_to(places.repository.base)
    where = "its folders are the classes" if not wishes.predicted else "of photographs"
    yield _line("folder", shown, where if inside else "elsewhere: PYTEST_ROBUSTNESS_IMAGES or --robustness-images")
    if wishes.listed:
        yield _line("selected", f"{LISTS}/{SELECTED}", "those that are attacked; a line each, with a digest")
    if wishes.predicted:
        yield _line("labels", "predicted", "what the model says of the clean image, as there are no labels")
    elif wishes.listed:
        yield _line("clean_images", f"{LISTS}/{CLEAN}", "drawn blindly, for clean accuracy")
    if wishes.classes is not None:
        yield _line("classes", wishes.classes, "what the model's answers 0, 1, 2, ... are")


def _model(wishes: Wishes) -> Iterator[str]:
    said = {
        "source": "what is gated",
        "weights": "read as safetensors or with weights_only=True",
        "arguments": "what it is built with",
        "version": "say another when the model behind it is another",
    }
    for key, value in wishes.model.items():
        yield _line(key, value, said.get(key, ""))
    if wishes.preprocessing is not None and wishes.is_folder:
        values = wishes.preprocessing.model_dump(exclude_defaults=True)
        yield _line("preprocessing", values, "the shorter side, then a square out of the middle")
    if wishes.normalisation is not None:
        values = {"mean": list(wishes.normalisation.mean), "std": list(wishes.normalisation.std)}
        yield _line("normalisation", values, "what it expects; attacks work on pixels in [0, 1]")


def _attack(wishes: Wishes) -> Iterator[str]:
    eps = number(wishes.eps)
    yield _line("attack", "Square" if wishes.black_box else "PGD", "other attacks: docs/attacks.md")
    ball = "the most a pixel may change; pixels are in [0, 1]"
    yield _line("eps", eps, f"{wishes.eps}: {ball}" if "/" in wishes.eps else ball)
    if wishes.black_box:
        yield _line("queries", QUERIES, "forwards that an image may cost")
    else:
        yield _line("alpha", eps / 4, "of a step")
        yield _line("steps", 10, "")


def _line(key: str, value: Any, comment: str) -> str:
    text = f"{key} = {toml(value)}"
    return f"{text:<{COLUMN - 1}} # {comment}" if comment else text


def _side(preprocessing: Preprocessing) -> int:
    crop = preprocessing.crop
    return crop if isinstance(crop, int) else max(crop)


def _table_key(name: str) -> str:
    return toml(name) if "." in name or "+" in name else name

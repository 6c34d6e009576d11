"""A suite that is made of objects, as a notebook has them, and not of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_robustness.errors import RobustnessError
from pytest_robustness.suite.model import FACTORY
from pytest_robustness.suite.problems import explain
from pytest_robustness.suite.suite import Case, Suite
from pytest_robustness.suite.tables import Reading

#: What stands in errors where a suite's file would.
CALLED = Path("measure()")
#: Sources and files that are never looked at: the objects stand for them.
SOURCE, FILE = "pytest_robustness:measure", "images.npz"


def _source(model: Any) -> str:
    """Return where a model's class is, as far as a suite can name it."""
    name = f"{type(model).__module__}:{type(model).__name__}"
    return name if FACTORY.fullmatch(name) else SOURCE


@dataclass(frozen=True)
class Objects:
    """What a suite's file would only name.

    Attributes:
        model: the nn.Module itself.
        images: the set of images to attack.
        unselected: the set for the clean accuracy; None: there is none.
    """

    model: Any
    images: Any
    unselected: Any = None


def case_of_objects(name: str, attack: dict[str, Any], objects: Objects, model: dict[str, Any], **more: Any) -> Case:
    """Return the case ``MODEL/ATTACK`` of a suite that has nothing else.

    Args:
        name: the case's.
        attack: the table of its attack.
        objects: what it is of.
        model: further keys of the model's table.
        more: further keys of the suite.

    Raises RobustnessError, naming the key, for tables that are not valid.
    """
    model_name, separator, attack_name = name.partition("/")
    if not separator:
        raise RobustnessError(f"{CALLED}: name: should be MODEL/ATTACK, not {name!r}")
    tables = {
        "path": CALLED,
        "images": {"file": FILE},
        "models": {model_name: {"source": _source(objects.model), **model}},
        "attacks": {attack_name: attack},
        "slices": [],
        **more,
    }
    try:
        suite = Suite.model_validate(tables, context=Reading(Path(), files=False))
    except ValidationError as error:
        raise RobustnessError(f"{CALLED}: {explain(error, Suite)}") from None
    return suite.with_objects(objects).case(name)

"""Whether the parts of a suite agree: each check raises ValueError, with the key that is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pytest_robustness.suite.engine import EngineTable
from pytest_robustness.suite.model import Model
from pytest_robustness.suite.tables import Images

#: How photographs become a model's input.
PREPARED = "preprocessing"


def check_engine(engine: EngineTable, models: Mapping[str, Model]) -> None:
    """Check that a cluster is told what models of the suite need."""
    for name in engine.models:
        if name not in models:
            raise ValueError(f"engine.models.{name}: no model of this suite ({', '.join(models)})")


def check_photographs(given: Collection[str], images: Images, models: Mapping[str, Model]) -> None:
    """Check that only photographs are to become grey or of another size. ``given`` are the suite's own keys."""
    if images.folder is not None:
        return
    said = [PREPARED] if PREPARED in given else []
    said += [f"models.{name}.{key}" for key in ("mode", PREPARED) for name in models if getattr(models[name], key)]
    if said:
        raise ValueError(f"{said[0]} is of photographs in a folder: a file's images are as they are")


def check_effect(given: Collection[str], models: Mapping[str, Model]) -> None:
    """Check that what the suite says of the input of its models holds for one of them at least.

    A library's model has its own, as has one that is like it: the suite's would be passed over in silence, and the
    model be measured on images of another size than was written.
    """
    for key in (PREPARED, "normalisation"):
        others = [name for name, model in models.items() if getattr(model, key) is None]
        if key in given and others and not any(_takes(models[name], key) for name in others):
            what = f"no model takes the suite's: {', '.join(others)} {'has its' if len(others) == 1 else 'have their'}"
            raise ValueError(f"{key}: {what} library's; write models.{others[0]}.{key} instead")


def _takes(model: Model, key: str) -> bool:
    """Return whether a model without its own takes the suite's, and not its library's."""
    of_range = key == "normalisation" and model.range is not None
    return of_range or (model.library is None and model.like is None)

"""Sources of a suite's models: a function of a module, or a library that knows its own weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.libraries.base import Entry, library
from pytest_robustness.evaluate.models.libraries.hub import Remote
from pytest_robustness.evaluate.models.weights import check_finite, load_weights, read_weights
from pytest_robustness.evaluate.runtime.errors import user_code
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.model import Model
from pytest_robustness.suite.suite import Case, Suite
from pytest_robustness.suite.tables import Normalisation


def build_library_model(case: Case) -> nn.Module:
    """Return a library's model with the weights the suite names.

    Raises RobustnessError, which names file and key, for a model or weights that the library does not know and for
    weights that cannot be fetched, read or loaded.
    """
    model, key = case.model, f"models.{case.model_name}"
    entry = entry_of(case, "source", *_named(model))
    if model.weights is None or (model.arguments and isinstance(model.weights, Path)):
        built = _built(case, entry)
        if isinstance(model.weights, Path):  # loaded as they are, into the model that the arguments make
            load_case_weights(built, case)
        return built
    try:
        path = model.weights if isinstance(model.weights, Path) else entry.remote().fetch(case.suite.weights)
    except RobustnessError as error:
        raise case.error(f"{key}.weights", str(error)) from None
    try:
        state = read_weights(path)
        check_finite(state)
        return entry.build(state, model.arguments)
    except RobustnessError as error:
        raise case.error(f"{key}.weights", f"{path}: {error}") from None
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split()[-40:]) + other_classes(state, entry)
        raise case.error(f"{key}.weights", f"{path}: of another architecture: {reason}") from None


def load_case_weights(model: nn.Module, case: Case) -> None:
    """Load the file of weights that a case's model names. Raises RobustnessError, which names file and key."""
    assert isinstance(case.model.weights, Path)
    try:
        load_weights(model, case.model.weights)
    except RobustnessError as error:
        raise case.error(f"models.{case.model_name}.weights", f"{case.model.weights}: {error}") from None


def _built(case: Case, entry: Entry) -> nn.Module:
    try:
        with user_code(f"{case.suite.path}: models.{case.model_name}.arguments: {case.model.source}"):
            return entry.build(None, case.model.arguments)
    except RobustnessError as error:
        if str(error).startswith(str(case.suite.path)):
            raise
        raise case.error(f"models.{case.model_name}.source", str(error)) from None


def other_classes(state: Mapping[str, Tensor], entry: Entry) -> str:
    """Return a hint how to make a model of as many classes as the weights have.

    Returns an empty string when the numbers of classes are equal or cannot be compared.
    """
    try:
        own = entry.build(None, {}).state_dict()
    except Exception:  # raised by the library; the user has been told already what is wrong
        return ""
    both = [(state[name], own[name]) for name in own if name in state]
    heads = {len(theirs) for theirs, ours in both if theirs.ndim in (1, 2) and _differ_in_rows(theirs, ours)}
    if len(heads) != 1 or any(theirs.shape[1:] != ours.shape[1:] for theirs, ours in both):
        return ""
    return f"; for its {(count := heads.pop())} classes say arguments = {{ num_classes = {count} }}"


def _differ_in_rows(theirs: Tensor, ours: Tensor) -> bool:
    return theirs.shape[:1] != ours.shape[:1] and theirs.shape[1:] == ours.shape[1:]


def preprocessing_of(case: Case) -> Preprocessing:
    """Return how a folder's images are prepared for a case's model: by its own table, its library or the suite.

    Raises RobustnessError when none of them says it.
    """
    found = _preprocessing_of(case)
    return found if case.model.mode is None else found.model_copy(update={"mode": case.model.mode})


def _preprocessing_of(case: Case) -> Preprocessing:
    found = case.model.preprocessing
    if found is None and (like := _like(case)) is not None:
        try:
            found = like.expected().preprocessing
        except RobustnessError as error:
            raise case.error(f"models.{case.model_name}", str(error)) from None
    found = found or case.suite.preprocessing
    if found is None:
        raise case.error(
            f"models.{case.model_name}.preprocessing",
            'none is known for this model: set preprocessing = { resize = ..., crop = ... } or like = "LIBRARY:NAME"',
        )
    return found


def normalisation_of(case: Case) -> Normalisation:
    """Return the normalisation of a case's model: by its own table, its library or the suite.

    It has the mean that is subtracted from pixels and the standard deviation that they are divided by.
    """
    if case.model.normalisation is not None or case.model.range is not None:
        return case.normalisation
    like = _like(case)
    try:
        return like.expected().normalisation if like is not None else case.normalisation
    except RobustnessError as error:
        raise case.error(f"models.{case.model_name}", str(error)) from None


def missing_weights(suite: Suite, models: Iterable[str]) -> list[Remote]:
    """Return the files of weights that these models would have to download."""
    absent = []
    for name in models:
        case = Case(suite, name, next(iter(suite.attacks)))
        if case.model.library and isinstance(case.model.weights, str):
            try:
                remote = entry_of(case, "source", *_named(case.model)).remote()
            except RobustnessError as error:
                raise case.error(f"models.{name}.weights", str(error)) from None
            if remote.find(suite.weights) is None:
                absent.append(remote)
    return absent


def entry_of(case: Case, key: str, source: str, weights: str | None, file: str | None = None) -> Entry:
    """Return the library's entry of a model. Raises RobustnessError, which names file and key, when there is none."""
    name, _, model = source.partition(":")
    try:
        return _entry(name, model, weights, file)
    except RobustnessError as error:
        raise case.error(f"models.{case.model_name}.{key}", str(error)) from None


@lru_cache
def _entry(name: str, model: str, weights: str | None, file: str | None) -> Entry:
    return library(name).entry(model, weights, file)


def _named(model: Model) -> tuple[str, str | None, str | None]:
    """Return a model's source, the name of its weights and the name of their file. Either name may be None."""
    weights = model.weights
    return (
        model.source,
        weights if isinstance(weights, str) else None,
        weights.name if isinstance(weights, Path) else None,
    )


def _like(case: Case) -> Entry | None:
    """Return the library's model that takes its input as this model does, which is often the model itself.

    Returns None when no library's model is named.
    """
    model = case.model
    if model.like is not None:
        source, _, weights = model.like.partition("@")
        return entry_of(case, "like", source, weights or None)
    return entry_of(case, "source", *_named(model)) if model.library else None

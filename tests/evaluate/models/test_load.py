"""Factories and weights: what is loaded, and what is refused without running a line of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.digests import state_digest
from pytest_robustness.evaluate.models.load import load_model
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.evaluate import nets
from tests.evaluate.suites import case_of

State = dict[str, Tensor]


def trained() -> nn.Module:
    """The tiny net with weights that its factory does not give it."""
    return nets.seeded(nets.Tiny, seed=77)


def save(state: Any, path: Path) -> None:
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


def load(folder: Path, name: str, write: Callable[[Path], None]) -> nn.Module:
    write(folder / name)
    return load_model(case_of(folder, weights=name))


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_weights_are_loaded_bit_for_bit(name: str, tmp_path: Path) -> None:
    model = load(tmp_path, name, lambda path: save(trained().state_dict(), path))
    assert state_digest(model) == state_digest(trained()) != state_digest(nets.tiny())


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_half_precision_on_disk_is_single_precision_in_use(name: str, tmp_path: Path) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in trained().state_dict().items()}
    model = load(tmp_path, name, lambda path: save(half, path))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(torch.equal(value, half[key].to(value.dtype)) for key, value in model.state_dict().items())


def test_without_weights_the_factory_decides(tmp_path: Path) -> None:
    assert state_digest(load_model(case_of(tmp_path))) == state_digest(nets.tiny())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("tests.evaluate.nowhere:tiny", "source: no module 'tests.evaluate.nowhere'"),
        ("tests.evaluate.nets:tinny", "source: no 'tinny' in tests.evaluate.nets"),
        ("tests.evaluate.nets:not_a_module", "source: not_a_module returned a dict; it should be a function"),
        ("tests.evaluate.nets:CLASSES", "source: CLASSES cannot be called; it should be a function"),
    ],
)
def test_a_wrong_factory_names_file_and_key(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        load_model(case_of(tmp_path, source=source))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.net.{said}")
    assert "\n" not in str(error.value)


class Evil:
    """Unpickling it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def _not_finite(value: float) -> State:
    state = trained().state_dict()
    state["second.weight"][3, 2, 1, 0] = value
    return state


def _half(path: Path) -> None:
    save(trained().state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


#: What to write, under what name, and what the error says of it.
WRONG: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "other architecture": (
        "a.safetensors",
        lambda path: save(nets.other_architecture().state_dict(), path),
        "of another architecture",
    ),
    "other size": ("a.pth", lambda path: save(nets.four_classes().state_dict(), path), "of another architecture"),
    "one missing": ("a.pth", lambda path: save(dict(list(trained().state_dict().items())[1:]), path), "first.weight"),
    "one too many": ("a.pth", lambda path: save(trained().state_dict() | {"x": torch.ones(1)}, path), '"x"'),
    "NaN": ("a.safetensors", lambda path: save(_not_finite(torch.nan), path), "second.weight is not finite"),
    "infinite": ("a.pth", lambda path: save(_not_finite(torch.inf), path), "second.weight is not finite"),
    "truncated": ("a.safetensors", _half, "cannot be read"),
    "truncated pth": ("a.pth", _half, "cannot be read"),
    "empty": ("a.safetensors", lambda path: path.write_bytes(b""), "cannot be read"),
    "empty pth": ("a.pth", lambda path: path.write_bytes(b""), "cannot be read"),
    "whole model": ("a.pth", lambda path: torch.save(nets.tiny(), path), "cannot be read"),
    "code": ("a.pth", lambda path: torch.save({"a": Evil(path.with_name("ran"))}, path), "cannot be read"),
    "bare code": (
        "a.pth",
        lambda path: path.write_bytes(pickle.dumps(Evil(path.with_name("ran")), protocol=2)),
        "cannot be read",
    ),
    "checkpoint": ("a.pth", lambda path: torch.save({"epoch": 3, "model": {}}, path), "not a state dict"),
    "list": ("a.pth", lambda path: torch.save([torch.ones(1)], path), "not a state dict"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_weights_name_file_key_and_weights(kind: str, tmp_path: Path) -> None:
    name, write, said = WRONG[kind]
    with pytest.raises(RobustnessError) as error:
        load(tmp_path, name, write)
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.net.weights: {tmp_path / name}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_the_evil_pickle_of_these_tests_would_have_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()

"""Weights as trainers write them: in an entry, behind a prefix, beside weights that are not the model's."""

import re
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.weights import load_weights, read_weights
from safetensors.torch import save_file
from torch import nn

NAMES = st.from_regex(r"[a-z_][a-z_0-9]{0,5}(\.[a-z_0-9]{1,5}){0,2}", fullmatch=True)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.fixture
def trained():
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture
def load(tmp_path):
    """Write what a trainer has written, load it, and return the model and what was said."""

    def loaded(content):
        torch.save(content, tmp_path / "mine.pth")
        model = network()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            load_weights(model, tmp_path / "mine.pth")
        return model, [str(one.message) for one in told]

    return loaded


def behind(prefix, state):
    return {f"{prefix}{name}": value for name, value in state.items()}


def is_loaded(model, trained):
    return all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("prefix", ["module.", "net.", "encoder.backbone.", "module._orig_mod.", "0.", "model.model."])
def test_any_one_prefix_is_left_out_and_said(load, trained, prefix):
    model, told = load(behind(prefix, trained))
    assert is_loaded(model, trained)
    assert told == [f"{prefix!r} is left out of the names of all weights"]


def test_weights_beside_the_prefix_are_left_out_and_said(load, trained):
    others = {"loss.weight": torch.ones(2), "model_scale": torch.ones(1)}
    model, told = load(behind("model.", trained) | others)
    assert is_loaded(model, trained)
    (line,) = told
    assert line.endswith("; not of the model, and left out too: loss.weight, model_scale")


@given(prefix=NAMES, beside=st.sets(NAMES, max_size=4))
def test_what_is_under_the_prefix_is_the_model_s_alone(prefix, beside):
    from pytest_robustness.evaluate.models.weights import _without_prefix

    own = {"0.weight": torch.ones(1), "1.weight": torch.zeros(1)}
    others = {name: torch.ones(3) for name in beside if not name.startswith((f"{prefix}.", *own))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _without_prefix(behind(f"{prefix}.", own) | others, own.keys())
    assert {name: value.item() for name, value in found.items()} == {"0.weight": 1, "1.weight": 0}


def test_two_copies_are_named_and_none_is_guessed(load, trained):
    with pytest.raises(RobustnessError, match=re.escape("weights 2 times, under model., ema.module.: save one")):
        load(behind("model.", trained) | behind("ema.module.", trained))


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_larger_model_s_weights_are_not_taken_in_part(load, trained, prefix):
    with pytest.raises(RobustnessError, match="of another architecture"):
        load(behind(prefix, trained | {"2.weight": torch.ones(2, 2)}))


def test_the_only_entry_with_weights_is_taken_whatever_its_name(load, trained):
    model, told = load({"epoch": 3, "generator_weights": trained, "optimizer": {"state": {}, "param_groups": [1]}})
    assert is_loaded(model, trained)
    assert told == ["weights are taken from the file's entry 'generator_weights'"]


def test_a_usual_entry_goes_before_an_unusual_one(load, trained):
    model, _ = load({"buffers": {"seen": torch.ones(1)}, "state_dict": trained})
    assert is_loaded(model, trained)


def test_of_several_entries_none_is_guessed(load, trained):
    with pytest.raises(RobustnessError, match="of student and teacher one is meant, save that one alone"):
        load({"student": trained, "teacher": trained})


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_by_torch_save_that_are_named_safetensors_are_to_be_renamed(trained, tmp_path, legacy):
    torch.save(trained, tmp_path / "a.safetensors", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(RobustnessError, match=r"read: it was written by torch\.save: rename it to end in \.pth$"):
        read_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.bin"])
def test_safetensors_of_another_name_are_to_be_renamed(trained, tmp_path, name):
    save_file(trained, tmp_path / name)
    with pytest.raises(RobustnessError, match=r"by safetensors: rename it to end in \.safetensors$"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@given(
    data=st.binary(max_size=40)
    | st.sampled_from([bytes(999), b"\x80\x02}q\x00.", b"\x80\x07}q\x00.", b"\x89PNG\r\n\x1a\n", b"\x08\x07"])
)
def test_nobody_is_told_to_let_a_file_run_code(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    with pytest.raises(RobustnessError) as told, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        read_weights(path)
    assert warned == []
    assert not re.search(r"(?i)weights.only|pickle_module|arbitrary|header too", str(told.value))


def read_by(monkeypatch, path, words):
    def load(*_, **__):
        raise RuntimeError(words)

    path.write_bytes(b"\x00\x01")
    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(RobustnessError) as told:
        read_weights(path)
    return str(told.value)


@pytest.mark.parametrize(
    "words", ["x.\n\tSet `weights_only=False`", "Weights only load", "run Arbitrary code", "pickle_module"]
)
def test_advice_of_any_version_of_torch_is_replaced(monkeypatch, tmp_path, words):
    said = read_by(monkeypatch, tmp_path / "a.pth", words)
    assert said == "cannot be read: it is no file of weights that torch or safetensors knows"


def test_other_words_of_torch_are_kept(monkeypatch, tmp_path):
    assert read_by(monkeypatch, tmp_path / "a.pth", "no such dtype") == "cannot be read: no such dtype"

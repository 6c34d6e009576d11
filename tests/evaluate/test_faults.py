"""A model, labels or images that do not fit are an error in one line, and so is a lack of memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.suite.load import load_suite

from tests.evaluate import nets
from tests.evaluate.suites import ATTACKS, MEAN, PGD, STD, case_of, labels_of, measure, pictures


def test_no_images_are_refused_because_a_gate_without_them_would_always_pass(tmp_path: Path) -> None:
    with pytest.raises(RobustnessError, match=r"images\.npz: images: there are none"):
        measure(case_of(tmp_path, PGD, images=pictures()[:0], labels=np.zeros(0, np.int64)))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("four_classes", "the model has 4 classes, but an image's label is 9"),
        ("nan_logits", "the model's logits are not finite"),
    ],
)
def test_a_model_that_does_not_fit_is_an_error_in_one_line(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, PGD, source=f"tests.evaluate.nets:{source}"))
    assert str(error.value) == f"{tmp_path / 'suite.toml'}: models.net: {said}"


@pytest.mark.parametrize("source", ["vector_logits", "remembers"])
def test_a_model_that_breaks_its_contract_is_an_error_in_one_line(source: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, PGD, source=f"tests.evaluate.nets:{source}"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("dropout_left_on", "draws random numbers"),
        ("numpy_noise", "draws random numbers"),
        ("dropout_under_gradients", "answers otherwise while gradients are computed"),
        ("noise_by_position", "looks at the other images of its batch"),
        ("batch_statistics", "looks at the other images of its batch"),
        ("counts_its_calls", "remembers what it saw before"),
        ("tires_after_twenty_calls", "remembers what it saw before"),
    ],
)
@pytest.mark.parametrize("attack", [PGD, ATTACKS["ta-pgd"], ATTACKS["square"]], ids=["rows", "batches", "forwards"])
def test_a_model_that_is_no_function_of_the_image_is_an_error_that_names_the_kind(
    source: str, kind: str, attack: Mapping[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RobustnessError) as error:
        measure(case_of(tmp_path, attack, source=f"tests.evaluate.nets:{source}"))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.net: gives the same image other logits")
    assert kind in str(error.value)


@pytest.mark.parametrize("key", ["mean", "std"])
def test_a_normalisation_of_other_channels_is_an_error_in_one_line(key: str, tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    path = case.suite.path
    path.write_text(path.read_text().replace(f"{key} = [", f"{key} = [0.1, "))
    with pytest.raises(RobustnessError) as error:
        measure(load_suite(path).case("net/it"))
    assert str(error.value).startswith(f"{path}: normalisation.{key}: ")
    assert "4 values for images of 3 channels" in str(error.value)


def test_out_of_memory_names_the_batch_size_and_gives_the_model_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, model = case_of(tmp_path, {"attack": "tests.evaluate.nets:RunsOutOfMemory", "norm": "inf"}), nets.tiny()
    monkeypatch.setattr(nets, "tiny", lambda: model)
    with pytest.raises(RobustnessError) as error:
        measure(case)
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: batch_size: ")
    assert "net/it does not fit into memory in batches of 24: CUDA out of memory" in str(error.value)
    assert "\n" not in str(error.value)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_logits_that_are_no_numbers_under_attack_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clean images are whole 255ths; what lies between them is not a number to this model."""

    class OnWholePixelsOnly(torch.nn.Module):
        def __init__(self, body: torch.nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            levels = (images * STD + MEAN) * 255
            between = ((levels - levels.round()).abs() > 0.05).flatten(1).any(1, keepdim=True)
            return torch.where(between, torch.nan, self.body(images))

    model = OnWholePixelsOnly(nets.tiny())
    monkeypatch.setattr(nets, "tiny", lambda: model)
    monkeypatch.setattr(nets.Answer, "answer", lambda attack, images, labels: (images + 0.001).clamp(0, 1))
    unwatched = {"attack": "tests.evaluate.nets:Answer", "norm": "inf"}  # which asks about clean images only
    for attack in (PGD, PGD | {"stop": "full"}, unwatched):
        with pytest.raises(RobustnessError, match="under attack are not finite"):
            measure(case_of(tmp_path, attack))


def test_a_label_that_is_one_class_too_many_is_an_error_in_one_line(tmp_path: Path) -> None:
    labels = labels_of(pictures())
    labels[-1] = nets.CLASSES
    with pytest.raises(RobustnessError, match=r"models\.net: the model has 10 classes, but an image's label is 10$"):
        measure(case_of(tmp_path, PGD, labels=labels))


def test_a_class_that_the_suite_does_not_name_is_an_error_in_one_line(tmp_path: Path) -> None:
    case = case_of(tmp_path, PGD)
    images = case.suite.images.model_copy(update={"classes": tuple("abcdefghi")})
    case = dataclasses.replace(case, suite=case.suite.model_copy(update={"images": images}))
    with pytest.raises(RobustnessError, match=r"images\.classes: names 9 classes, but an image's label is 9$"):
        measure(case)

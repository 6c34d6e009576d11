"""All architectures of the paper's suite, at their full size, through an attack: with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite

IMAGENET = load_suite(Path(__file__).parents[2] / "robustness_tests" / "imagenet.toml")
COUNT = 2


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The paper's models on two photographs of any class, in the smallest batches there are."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        rough = Image.fromarray(rng.integers(0, 256, (12, 9, 3), dtype=np.uint8))
        rough.resize((360, 480)).save(folder / f"{index}.jpg")
    images = IMAGENET.images.model_copy(
        update={"folder": folder, "selected": None, "unselected": None, "labels": "predicted"}
    )
    models = {name: model.model_copy(update={"weights": None}) for name, model in IMAGENET.models.items()}
    return IMAGENET.model_copy(update={"images": images, "models": models, "row_floor": COUNT, "batch_size": COUNT})


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:The default weight initialization of inception_v3")
@pytest.mark.parametrize("name", IMAGENET.models)
def test_a_model_meets_an_attack_on_two_images(suite: Suite, name: str) -> None:
    measurement = evaluate(suite.case(f"{name}/fgsm"), device=torch.device("cpu"))
    side = 299 if "inception" in name else 224
    assert measurement.protocol.shape == [3, side, side]
    assert measurement.evidence.correct == [1] * COUNT
    assert measurement.provenance.code_digest is not None
    made = measurement.provenance.architecture
    assert made is not None
    assert made.activations[0] == {"mobilenet_v2": "ReLU6"}.get(name, "hard-swish" if "v3_" in name else "ReLU")
    depth = name.removeprefix("vgg").removesuffix("_bn")
    assert made.layers == int(depth) if depth.isdigit() else made.layers > 50

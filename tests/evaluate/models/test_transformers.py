"""Hugging Face's image classifiers. Needs the extra ``transformers``."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.preprocessing import prepare
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.evaluate.models.sources import normalisation_of, preprocessing_of
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case

pytestmark = pytest.mark.needs("transformers")
transformers: Any = import_module("transformers") if find_spec("transformers") else None

SIDE = 32


def small(folder: Path, **how: Any) -> Path:
    """A vision transformer with its image processor, as training leaves them."""
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=SIDE,
        patch_size=8,
        num_labels=4,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    processor = transformers.ViTImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=[0.4] * 3, **how)
    processor.save_pretrained(folder)
    return folder


def case_of(folder: Path, *lines: str) -> Case:
    photographs = folder / "photographs" / "all"
    photographs.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for index in range(24):
        colour = rng.integers(0, 255, (6, 5, 3)).astype(np.uint8)
        Image.fromarray(colour).resize((50, 40), Image.Resampling.BICUBIC).save(photographs / f"{index}.png")
    path = folder / "suite.toml"
    text = ["[images]", 'folder = "photographs"', 'labels = "predicted"', "[models.vit]", 'source = "transformers:vit"']
    path.write_text("\n".join([*text, *lines, "[attacks.pgd]", 'attack = "PGD"', "eps = 0.02", "alpha = 0.005"]) + "\n")
    return load_suite(path).case("vit/pgd")


def test_a_folder_is_a_model_with_its_own_preprocessing(tmp_path: Path) -> None:
    """Pixels and normalisation are those of the image processor."""
    folder = small(tmp_path / "vit")
    case = case_of(tmp_path)
    image = Image.open(tmp_path / "photographs" / "all" / "3.png")
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    expected = processor(image, return_tensors="pt")["pixel_values"]
    normalisation = normalisation_of(case)
    pixels = torch.from_numpy(prepare(image, preprocessing_of(case))).float() / 255
    now = (pixels - torch.tensor(normalisation.mean).view(3, 1, 1)) / torch.tensor(normalisation.std).view(3, 1, 1)
    torch.testing.assert_close(now[None], expected, atol=0.02, rtol=0)  # a level of a pixel, where it resizes otherwise
    model = load_model(case).eval()
    theirs = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    assert torch.equal(model(expected), theirs(pixel_values=expected).logits)


def test_it_is_attacked_and_known_again(tmp_path: Path) -> None:
    small(tmp_path / "vit")
    one, again = evaluate(case_of(tmp_path)), evaluate(case_of(tmp_path))
    assert one.aggregates.successes
    assert one.provenance.model == "transformers:vit"
    assert one.provenance.code_digest is not None
    assert one.provenance.code_digest == again.provenance.code_digest
    assert one.provenance.weights_digest == again.provenance.weights_digest


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"do_resize": False}, "give preprocessing"),
        ({"do_rescale": False}, "leaves pixels in 0..255: give range and normalisation"),
        ({"do_flip_channel_order": True}, "does more than resize, crop and normalise (do_flip_channel_order = True): "),
        ({"crop_pct": 0.9}, "does more than resize, crop and normalise (crop_pct = 0.9): give preprocessing"),
    ],
)
def test_what_an_image_processor_does_that_we_do_not_is_told(how: dict[str, Any], said: str, tmp_path: Path) -> None:
    small(tmp_path / "vit", **how)
    with pytest.raises(RobustnessError) as error:
        evaluate(case_of(tmp_path))
    assert said in str(error.value)
    assert "models.vit" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "vit").mkdir()
    with pytest.raises(RobustnessError, match=r"transformers has no model '.*vit': there is no config\.json"):
        evaluate(case_of(tmp_path))


def test_a_name_that_is_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RobustnessError, match=r"models\.vit\.source: transformers has no model 'vit': ") as error:
        evaluate(case_of(tmp_path))
    assert "\n" not in str(error.value)


def test_a_backbone_without_a_head_is_no_classifier(tmp_path: Path) -> None:
    """transformers would draw one, and say so where nobody looks."""
    folder = small(tmp_path / "vit")
    transformers.ViTModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(RobustnessError, match=r"has no weights of this model for classifier\.bias, ") as error:
        evaluate(case_of(tmp_path))
    assert "models.vit.source" in str(error.value)


@pytest.mark.parametrize("mean", [0.5, [0.5, 0.5, 0.5]])
def test_a_mean_for_all_channels_is_taken(mean: object, tmp_path: Path) -> None:
    folder = small(tmp_path / "vit")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": mean}))
    assert set(normalisation_of(case_of(tmp_path)).mean) == {0.5}

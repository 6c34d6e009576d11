"""The architectures are what their names say, and what is shipped is what it claims to be."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from pytest_robustness.suite.load import load_suite
from safetensors.torch import load_file
from torch import Tensor, nn

from robustness_tests.zoo import ARCHITECTURES, CLASS_NAMES, IMAGES, MEAN, STD, SUITE, WEIGHTS, train_adversarially

DEPTHS = (11, 13, 16, 19)
FILES = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
SHIPPED = [name for name in FILES if name != train_adversarially.NAME]  # that one has a test file of its own
SUITE_MODELS = list(load_suite(SUITE).models)
SETS = ("selected", "unselected")


def layers(model: nn.Module) -> Iterator[nn.Module]:
    return (module for module in model.modules() if not list(module.children()))


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return ARCHITECTURES[name]()


# --- architectures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", DEPTHS)
def test_batch_norm_is_the_only_difference_of_a_pair(depth: int) -> None:
    plain, normalised = on_meta(f"vgg{depth}"), on_meta(f"vgg{depth}_bn")
    norms = [layer for layer in layers(normalised) if isinstance(layer, nn.BatchNorm2d)]
    others = [layer for layer in layers(normalised) if not isinstance(layer, nn.BatchNorm2d)]
    convolutions = [layer for layer in others if isinstance(layer, nn.Conv2d)]
    assert [repr(layer) for layer in others] == [repr(layer) for layer in layers(plain)]
    shapes = [{key: value.shape for key, value in layer.state_dict().items()} for layer in others]
    assert shapes == [{key: value.shape for key, value in layer.state_dict().items()} for layer in layers(plain)]
    assert [norm.num_features for norm in norms] == [layer.out_channels for layer in convolutions]
    assert [name for name, _ in plain.named_children()] == [name for name, _ in normalised.named_children()]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("suffix", ["", "_bn"], ids=["plain", "bn"])
def test_a_vgg_has_as_many_layers_with_weights_as_its_name_says(depth: int, suffix: str) -> None:
    weighted = [layer for layer in layers(on_meta(f"vgg{depth}{suffix}")) if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth
    assert sum(isinstance(layer, nn.Linear) for layer in weighted) == 3


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_vgg_is_torchvision_s_at_a_quarter_of_the_width(depth: int) -> None:
    with torch.device("meta"):
        original = getattr(torchvision.models, f"vgg{depth}")()
    ours = on_meta(f"vgg{depth}")
    for kind in (nn.Conv2d, nn.MaxPool2d):
        theirs = [layer for layer in original.features if isinstance(layer, kind)]
        assert len(theirs) == sum(isinstance(layer, kind) for layer in layers(ours))
    widths = [layer.out_channels for layer in layers(ours) if isinstance(layer, nn.Conv2d)]
    assert [4 * width for width in widths] == [m.out_channels for m in original.features if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_turns_small_images_into_ten_logits(name: str) -> None:
    assert ARCHITECTURES[name].__name__ == name
    model = on_meta(name).eval()
    assert model(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, len(CLASS_NAMES))


# --- what is shipped ---------------------------------------------------------------------------------------------


def arrays(name: str) -> dict[str, NDArray[np.generic]]:
    with np.load(IMAGES / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


@torch.no_grad()
def predictions(name: str, images: NDArray[np.generic]) -> NDArray[np.int64]:
    """Without the package: weights into the architecture, pixels normalised by hand."""
    model = ARCHITECTURES[name]()
    model.load_state_dict({key: value.to(_precision(value)) for key, value in load_file(path_of(name)).items()})
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    inputs = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
    return torch.cat([model.eval()(part).argmax(1) for part in inputs.split(100)]).numpy()


def path_of(name: str) -> Path:
    return WEIGHTS / f"{name}.safetensors"


def _precision(value: Tensor) -> torch.dtype:
    return torch.float32 if value.is_floating_point() else value.dtype


def test_models_of_the_suite_are_shipped_and_those_of_the_paper_s_first_pair_among_them() -> None:
    assert {"vgg11", "vgg11_bn"} <= set(SUITE_MODELS) <= set(SHIPPED) <= set(ARCHITECTURES)


def test_the_suite_normalises_as_the_models_were_trained() -> None:
    suite = load_suite(SUITE)
    for case in suite.cases():
        assert (case.normalisation.mean, case.normalisation.std) == (MEAN, STD)
        assert case.model.source == f"robustness_tests.zoo:{case.model_name}"
        assert case.model.weights is not None
        assert case.model.weights.samefile(path_of(case.model_name))
    assert suite.images.file.samefile(IMAGES / "selected.npz")
    assert suite.images.unselected is not None
    assert suite.images.unselected.samefile(IMAGES / "unselected.npz")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_halves_and_classify_three_quarters_of_unselected_images(name: str) -> None:
    floating = [value for value in load_file(path_of(name)).values() if value.is_floating_point()]
    assert {value.dtype for value in floating} == {torch.float16}
    assert all(bool(value.isfinite().all()) for value in floating)
    unselected = arrays("unselected")
    right = predictions(name, unselected["images"]) == unselected["labels"]
    assert 0.75 <= right.mean() < 1


@pytest.mark.parametrize("name", SUITE_MODELS)
def test_every_model_of_the_suite_classifies_every_selected_image(name: str) -> None:
    selected = arrays("selected")
    wrong = selected["ids"][predictions(name, selected["images"]) != selected["labels"]]
    assert wrong.tolist() == []


@pytest.mark.parametrize("name", SETS)
def test_an_image_set_has_a_thousand_different_images(name: str) -> None:
    found = arrays(name)
    assert set(found) == {"images", "labels", "ids"}
    assert found["images"].shape == (1000, 32, 32, 3)
    assert found["images"].dtype == np.uint8
    ids = found["ids"].astype(int)
    assert (np.diff(ids) > 0).all()  # unique, in ascending order
    assert ids[-1] < 10_000
    assert len({image.tobytes() for image in found["images"]}) == 1000
    assert set(found["labels"].tolist()) == set(range(10))


def test_selected_images_are_a_hundred_of_each_class() -> None:
    assert np.bincount(arrays("selected")["labels"]).tolist() == [100] * 10


def test_unselected_images_are_not_balanced_by_anybody() -> None:
    counts = np.bincount(arrays("unselected")["labels"], minlength=10)
    assert counts.std() > 1
    assert counts.min() > 60


def test_an_id_means_the_same_image_in_both_sets() -> None:
    selected, unselected = (arrays(name) for name in SETS)
    shared, mine, theirs = np.intersect1d(selected["ids"], unselected["ids"], return_indices=True)
    assert 50 < len(shared) < 200  # one in ten, by chance
    assert (selected["images"][mine] == unselected["images"][theirs]).all()
    assert (selected["labels"][mine] == unselected["labels"][theirs]).all()


def test_the_image_sets_take_six_megabytes_or_less() -> None:
    assert sum((IMAGES / f"{name}.npz").stat().st_size for name in SETS) <= 6_000_000

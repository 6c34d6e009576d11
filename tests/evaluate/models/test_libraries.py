"""Models of torchvision and timm: built, prepared for and weighted as their library says, and refused in one line."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.digests import state_digest
from pytest_robustness.evaluate.models.libraries import hub
from pytest_robustness.evaluate.models.libraries.base import library
from pytest_robustness.evaluate.models.libraries.timm import TimmEntry
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.evaluate.models.sources import missing_weights, normalisation_of, preprocessing_of
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case, Suite
from safetensors.torch import save_file
from timm.models import PretrainedCfg

from tests.evaluate.models.test_load import Evil

IMAGENET = Path(__file__).parents[3] / "robustness_tests" / "imagenet.toml"
SUITE = load_suite(IMAGENET)

#: Parameters by the paper's Table I.
TABLE_I = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "inception_v3": 27_161_264,
    "inception_v4": 42_679_816,
    "inception_resnet_v2": 55_843_464,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_small": 2_542_856,
    "mobilenet_v3_large": 5_483_032,
}
#: The smallest models of either library, with the names of their weights and of the files these are in.
SMALL = {
    "torchvision": ("torchvision:mobilenet_v3_small", "IMAGENET1K_V1", "mobilenet_v3_small-047dcff4.pth"),
    "timm": ("timm:test_resnet", "r160_in1k", "test_resnet.r160_in1k.safetensors"),
}


def case_of(folder: Path, source: str, *lines: str) -> Case:
    """A suite of one model, with weights in the folder ``weights`` beside it."""
    text = ["[images]", 'folder = "photographs"', "[models.it]", f'source = "{source}"', *lines]
    path = folder / "suite.toml"
    path.write_text("\n".join([*text, "[attacks.fgsm]", 'attack = "FGSM"', "eps = 0.01"]) + "\n")
    return load_suite(path).case("it/fgsm")


def without_weights(suite: Suite) -> Suite:
    models = {name: model.model_copy(update={"weights": None}) for name, model in suite.models.items()}
    return suite.model_copy(update={"models": models})


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No hub answers, and no cache of this machine is looked into."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(hub, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: None)
    hub._problem.cache_clear()


@pytest.mark.filterwarnings("ignore:The default weight initialization of inception_v3")
def test_the_papers_suite_is_the_papers_table() -> None:
    assert set(SUITE.models) == set(TABLE_I)
    suite = without_weights(SUITE)
    with torch.device("meta"):
        models = {name: load_model(suite.case(f"{name}/fgsm")) for name in suite.models}
    assert {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()} == TABLE_I


def test_input_and_normalisation_of_the_papers_models_are_the_libraries() -> None:
    prepared = {name: preprocessing_of(SUITE.case(f"{name}/fgsm")) for name in SUITE.models}
    other = {
        "inception_v3": Preprocessing(resize=342, crop=299, interpolation="bilinear"),
        "inception_v4": Preprocessing(resize=341, crop=299, interpolation="bicubic"),
        "inception_resnet_v2": Preprocessing(resize=333, crop=299, interpolation="bicubic"),
    }
    usual = Preprocessing(resize=256, crop=224, interpolation="bilinear")
    assert prepared == {name: other.get(name, usual) for name in SUITE.models}
    means = {name: normalisation_of(SUITE.case(f"{name}/fgsm")).mean for name in SUITE.models}
    timms = ("inception_v4", "inception_resnet_v2")
    assert means == {name: (0.5, 0.5, 0.5) if name in timms else (0.485, 0.456, 0.406) for name in SUITE.models}
    assert "224" not in IMAGENET.read_text().replace("224 x 224", "")
    assert "0.485" not in IMAGENET.read_text()


def test_every_weights_entry_has_a_file_that_can_be_put_in_place() -> None:
    remotes = missing_weights(SUITE, SUITE.models)
    assert len({remote.filename for remote in remotes}) == len(TABLE_I)
    assert {remote.filename for remote in remotes} >= {"vgg19_bn-c79401a0.pth", "inception_v4.tf_in1k.safetensors"}
    assert all(remote.url.startswith("https://") for remote in remotes)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("place", ["weights", "cache", "file"])
def test_weights_by_name_are_found_where_they_are_put(kind: str, place: str, tmp_path: Path) -> None:
    source, name, file = SMALL[kind]
    torch.manual_seed(0)
    model = load_model(case_of(tmp_path, source))
    folder = tmp_path / ("cache" if place == "cache" else "weights")
    folder.mkdir()
    state = model.state_dict()
    torch.save(state, folder / file) if file.endswith(".pth") else save_file(state, folder / file)
    case = case_of(tmp_path, source, f'weights = "{f"weights/{file}" if place == "file" else name}"')
    loaded = load_model(case)
    assert state_digest(loaded) == state_digest(model)
    assert not missing_weights(case.suite, ["it"])


def test_an_inception_with_weights_rescales_its_input_also_with_a_file_of_ours(tmp_path: Path) -> None:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = library("torchvision").entry("inception_v3", None).build(None, {})
        trained = library("torchvision").entry("inception_v3", None, "ours.pth").build(plain.state_dict(), {})
    assert not plain.transform_input
    assert trained.transform_input


def test_a_file_that_the_library_knows_says_which_weights_it_holds(tmp_path: Path) -> None:
    for file, resize in {"mobilenet_v2-b0353104.pth": 256, "mobilenet_v2-7ebf99e0.pth": 232, "ours.pth": 232}.items():
        (tmp_path / file).touch()
        case = case_of(tmp_path, "torchvision:mobilenet_v2", f'weights = "{file}"')
        assert preprocessing_of(case).resize == resize


def test_a_factory_may_take_its_input_like_a_librarys_model(tmp_path: Path) -> None:
    case = case_of(tmp_path, "tests.evaluate.nets:tiny", 'like = "timm:inception_v4@tf_in1k"')
    assert preprocessing_of(case).crop == 299
    assert normalisation_of(case).mean == (0.5, 0.5, 0.5)
    own = case_of(tmp_path, "tests.evaluate.nets:tiny", "preprocessing = { resize = [9, 8], crop = 7 }")
    assert preprocessing_of(own) == Preprocessing(resize=[9, 8], crop=7)


def test_a_candidate_gets_the_images_of_the_model_it_replaces() -> None:
    candidate = SUITE.with_candidate("vgg11=tests.evaluate.nets:tiny", Path())
    assert candidate.models["vgg11"].like == "torchvision:vgg11@IMAGENET1K_V1"
    library_model = SUITE.with_candidate("vgg11=torchvision:vgg13@IMAGENET1K_V1", Path()).models["vgg11"]
    assert (library_model.source, library_model.weights, library_model.like) == (
        "torchvision:vgg13",
        "IMAGENET1K_V1",
        None,
    )


WRONG: dict[str, tuple[str, list[str], str, Callable[[Case], object]]] = {
    "model of torchvision": ("torchvision:vgg12", [], "source: torchvision has no model 'vgg12'", load_model),
    "model of timm": ("timm:vgg12", [], "source: timm has no model 'vgg12'", load_model),
    "weights of torchvision": (
        "torchvision:vgg11",
        ['weights = "IMAGENET22K"'],
        "source: torchvision's vgg11 has no weights 'IMAGENET22K' (known: IMAGENET1K_V1, or a file)",
        load_model,
    ),
    "weights of timm": (
        "timm:inception_v4",
        ['weights = "in22k"'],
        "source: timm's inception_v4 has no weights 'in22k' (known: tf_in1k, or a file)",
        load_model,
    ),
    "like": ("a.b:c", ['like = "timm:vgg12"'], "like: timm has no model 'vgg12'", preprocessing_of),
    "no preprocessing": ("a.b:c", [], "preprocessing: none is known for this model: set", preprocessing_of),
    "no classifier": (
        "torchvision:fcn_resnet50",
        [],
        ": torchvision's fcn_resnet50 is no classifier of images",
        preprocessing_of,
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_a_library_does_not_know_costs_one_line(kind: str, tmp_path: Path) -> None:
    source, lines, said, act = WRONG[kind]
    with pytest.raises(RobustnessError) as error:
        act(case_of(tmp_path, source, *lines))
    assert str(error.value).startswith(f"{tmp_path / 'suite.toml'}: models.it")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_way_of_cropping_that_is_not_ours_is_refused() -> None:
    entry = TimmEntry("a_vit", PretrainedCfg(input_size=(3, 224, 224), crop_pct=1.0, crop_mode="border"))
    with pytest.raises(RobustnessError, match="crop mode 'border' for 224 x 224, which is not supported; give"):
        entry.expected()


@pytest.mark.parametrize("kind", SMALL)
def test_a_hub_that_cannot_be_reached_names_the_file_and_where_to_put_it(kind: str, tmp_path: Path) -> None:
    source, name, file = SMALL[kind]
    with pytest.raises(RobustnessError) as error:
        load_model(case_of(tmp_path, source, f'weights = "{name}"'))
    said = str(error.value)
    assert said.startswith(f"{tmp_path / 'suite.toml'}: models.it.weights: no {file} (https://")
    assert f"in {tmp_path / 'weights'} or {tmp_path / 'cache'}, and " in said
    assert "cannot be reached (no network here)" in said
    assert "\n" not in said


def test_a_file_of_the_hub_is_never_unpickled(tmp_path: Path) -> None:
    source, name, file = SMALL["torchvision"]
    (tmp_path / "weights").mkdir()
    torch.save({"a": Evil(tmp_path / "ran")}, tmp_path / "weights" / file)
    with pytest.raises(RobustnessError, match="cannot be read"):
        load_model(case_of(tmp_path, source, f'weights = "{name}"'))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", SMALL)
def test_weights_of_another_model_are_refused(kind: str, tmp_path: Path) -> None:
    source, name, file = SMALL[kind]
    (tmp_path / "weights").mkdir()
    state = {"a": torch.ones(1)}
    path = tmp_path / "weights" / file
    torch.save(state, path) if file.endswith(".pth") else save_file(state, path)
    with pytest.raises(RobustnessError) as error:
        load_model(case_of(tmp_path, source, f'weights = "{name}"'))
    assert f"models.it.weights: {path}: of another architecture" in str(error.value)
    assert "\n" not in str(error.value)


#: A model of each library that is built for other classes and channels.
BUILT = {
    "torchvision": ("torchvision:mobilenet_v3_small", "arguments = { num_classes = 7 }", 3),
    "timm": ("timm:test_resnet", "arguments = { num_classes = 7, in_chans = 1 }", 1),
}


@pytest.mark.parametrize("kind", BUILT)
def test_a_fine_tuned_model_is_named_by_its_arguments(kind: str, tmp_path: Path) -> None:
    source, arguments, channels = BUILT[kind]
    torch.manual_seed(0)
    model = load_model(case_of(tmp_path, source, arguments)).eval()
    assert model(torch.rand(2, channels, 64, 64)).shape == (2, 7)
    torch.save({"epoch": 3, "model": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "mine.pth")
    weights = 'weights = "mine.pth"'
    with pytest.warns(UserWarning, match="taken from the file's entry 'model'"):
        assert state_digest(load_model(case_of(tmp_path, source, weights, arguments))) == state_digest(model)


@pytest.mark.parametrize("kind", SMALL)
def test_weights_of_other_classes_say_which_arguments_they_need(kind: str, tmp_path: Path) -> None:
    source = SMALL[kind][0]
    torch.save(
        load_model(case_of(tmp_path, source, "arguments = { num_classes = 7 }")).state_dict(), tmp_path / "a.pth"
    )
    with pytest.raises(RobustnessError) as error:
        load_model(case_of(tmp_path, source, 'weights = "a.pth"'))
    assert str(error.value).endswith("; for its 7 classes say arguments = { num_classes = 7 }")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["torchvision:squeezenet1_1", "timm:test_resnet"])
def test_an_argument_the_library_does_not_know_is_told(source: str, tmp_path: Path) -> None:
    with pytest.raises(RobustnessError, match=r"models\.it\.arguments: .* raised TypeError: .*colour"):
        load_model(case_of(tmp_path, source, "arguments = { colour = 7 }"))


def test_the_libraries_own_weights_in_a_model_of_one_channel(tmp_path: Path) -> None:
    """timm adds up what its weights do with the three colours."""
    source, name, file = SMALL["timm"]
    state = load_model(case_of(tmp_path, source)).state_dict()
    (tmp_path / "weights").mkdir()
    save_file(state, tmp_path / "weights" / file)
    grey = load_model(case_of(tmp_path, source, f'weights = "{name}"', "arguments = { in_chans = 1 }")).eval()
    image = torch.rand(1, 1, 64, 64)
    colour = load_model(case_of(tmp_path, source, f'weights = "{name}"')).eval()
    torch.testing.assert_close(grey(image), colour(image.expand(1, 3, 64, 64)), rtol=1e-4, atol=1e-4)

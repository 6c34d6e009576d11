"""Every section of the quick start, as it stands, ends in the verdicts that it promises."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch._dynamo  # now: pytester forgets what is imported inside, and torch cannot be imported twice
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from tests.docs import NAMED, ROOT, Page

PAGE = Page(ROOT / "docs" / "quickstart.md")
EXTRAS = {"A model of transformers": "transformers", "An ONNX file": "onnx"}
KINDS = [
    pytest.param(section, marks=[pytest.mark.needs(EXTRAS[section])] if section in EXTRAS else [])
    for section, text in PAGE.sections().items()
    if "```toml" in text
]
PROMISED = re.compile(r"`(\w+)/(\w+)` is `(\w+)`")
SIDE, COUNT, PHOTOGRAPH = 8, 20, 32
#: The reader's model of the page: ``shop.models:build``.
MODEL = """\
import torch
import torch._dynamo  # now: pytester forgets what is imported inside, and torch cannot be imported twice
from torch import nn


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
"""


def pictures(count: int, side: int) -> np.ndarray:
    """(count, side, side, 3) uint8: smooth and coloured."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in small])


def model() -> nn.Module:
    given: dict[str, Any] = {}
    exec(MODEL, given)
    built: nn.Module = given["build"]()
    return built.eval()


def make_arrays(folder: Path, text: str) -> None:
    """The reader's images in one file, with the labels that the model gives them, and its weights as a checkpoint."""
    images, network = pictures(COUNT, SIDE), model()
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255
    if "[normalisation]" in text:
        mean, std = (torch.tensor(one).view(3, 1, 1) for one in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        pixels = (pixels - mean) / std
    with torch.no_grad():
        labels = network(pixels).argmax(1).numpy()
    (saving,) = (block for block in PAGE.blocks("python") if "np.savez" in block)
    exec(saving, {"images": images, "labels": labels})
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, folder / "checkpoint.pth")


def make_photographs(folder: Path) -> None:
    """Ten photographs, a class each, and a network of timm whose last layer was fitted to tell them apart."""
    import timm

    images = pictures(10, PHOTOGRAPH)
    for label, pixels in enumerate(images):
        (folder / "photographs" / f"class{label}").mkdir(parents=True)
        Image.fromarray(pixels).save(folder / "photographs" / f"class{label}" / "1.png")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=10).eval()
    mean, std = (torch.tensor(network.default_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    inputs = (torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).float() / 255 - mean) / std
    with torch.no_grad():
        features = network.forward_head(network.forward_features(inputs), pre_logits=True)
        network.fc.weight.copy_(torch.linalg.pinv(features).mT)
        network.fc.bias.zero_()
        assert network(inputs).argmax(1).tolist() == list(range(10))
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, folder / "fine_tuned.safetensors"
    )


@pytest.mark.parametrize("section", KINDS)
def test_a_section_ends_in_its_verdicts(
    section: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.syspath_prepend(pytester.path)
    for name in ("shop", "shop.models"):  # of the section before
        monkeypatch.delitem(sys.modules, name, raising=False)
    (suite,) = PAGE.blocks("toml", section)
    (test,) = (block for block in PAGE.blocks("python") if "def test_" in block)
    (pytester.path / "test_robustness.py").write_text(test)
    (pytester.path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (pytester.mkpydir("shop") / "models.py").write_text(MODEL)
    if "transformers:" in suite:
        from tests.evaluate.models.test_transformers import small

        small(pytester.path / "vit")
    if 'folder = "photographs"' in suite:
        make_photographs(pytester.path)
    else:
        make_arrays(pytester.path, suite)
    for code in PAGE.blocks("python", section):
        if named := NAMED.match(code):
            (pytester.path / named[1]).write_text(code)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, {})
    # a network of the library's that is quick, and small photographs
    quick = {
        "timm:resnet18": "timm:test_resnet",
        "num_classes = 10 }": f"num_classes = 10 }}\npreprocessing = {{ resize = {PHOTOGRAPH}, crop = {PHOTOGRAPH} }}",
    }
    for shown, used in quick.items():
        suite = suite.replace(shown, used)
    (pytester.path / "robustness.toml").write_text(f"row_floor = 1\n{suite}")
    record, gate = [command for command in commands(section) if command.startswith("pytest")]
    assert pytester.runpytest_inprocess(*record.split()[1:], "-p", "no:cacheprovider").ret == pytest.ExitCode.OK
    judged = pytester.runpytest_inprocess(*gate.split()[1:], "-p", "no:cacheprovider")
    assert judged.ret == pytest.ExitCode.OK
    promised = PROMISED.findall(PAGE.sections()[section])
    assert promised
    for name, attack, word in promised:
        judged.stdout.fnmatch_lines([f"{name} *{attack} *{word}"])


def commands(section: str) -> list[str]:
    return [line[2:] for block in PAGE.blocks("console", section) for line in block.splitlines() if line[:2] == "$ "]

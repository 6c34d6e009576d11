"""The zoo's page says what its models are."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from robustness_tests.zoo import ARCHITECTURES, FOLDER, cifar10, describe

ROW = re.compile(r"\| `(\w+)` \| ([\d,]+) \| (\d+) \| ([\w, -]+) \| ([\d.]+)% \| ([\d.]+)% \|")


def rows(text: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, *values in ROW.findall(text)}


def test_what_is_counted() -> None:
    branch = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    model = nn.Sequential(branch, nn.Conv2d(4, 2, 3), nn.Hardswish(), nn.Flatten(), nn.Linear(2, 10))
    assert describe.parameters(model) == 12 + 8 + (72 + 2) + 30
    assert describe.layers(model) == 3
    assert describe.activations(model) == "ReLU, hard-swish"


def test_the_page_that_is_shipped_lists_every_model_as_it_is() -> None:
    shipped = rows((FOLDER / "README.md").read_text())
    assert list(shipped) == list(ARCHITECTURES)
    for name, factory in ARCHITECTURES.items():
        model = factory()
        expected = f"{describe.parameters(model):,}", str(describe.layers(model)), describe.activations(model)
        assert shipped[name][:3] == expected
        top_1, top_5 = map(float, shipped[name][3:])
        assert 75 <= top_1 < top_5 < 100


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    data = cifar10.Split(images, rng.integers(0, 10, 40))
    monkeypatch.setattr(cifar10, "load", lambda path: cifar10.Cifar10(data, data))
    monkeypatch.setattr(sys, "argv", ["describe", "--output", str(tmp_path / "README.md")])
    describe.main()
    written = rows((tmp_path / "README.md").read_text())
    shipped = rows((FOLDER / "README.md").read_text())
    assert {name: values[:3] for name, values in written.items()} == {
        name: values[:3] for name, values in shipped.items()
    }
    assert all(float(top_5) >= float(top_1) for *_, top_1, top_5 in written.values())

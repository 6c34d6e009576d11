"""Two tiny classifiers for the tests, which copy this file beside their suite.

``behaviour.json`` beside it says what a factory does in which case; ``executed.txt`` says which cases were run.
"""

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch
from pytest_robustness.evaluate.models.digests import ROWS
from torch import Tensor, nn

HERE = Path(__file__).parent
CLASSES, SIZE = 4, 8


class Tiny(nn.Module):
    """Looks at blocks of 2 x 2 pixels. ``leak`` lets in what is uneven within a block, which no clean image is."""

    def __init__(self, width: int, seed: int, leak: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.blocks = nn.Conv2d(3, width, 2, stride=2)
            self.head = nn.Linear(width * (SIZE // 2) ** 2, CLASSES)
            self.uneven = nn.Linear(3 * (SIZE // 2) ** 2, CLASSES, bias=False)
        self.leak = nn.Parameter(torch.tensor(leak))
        self.shown = 0.0  # a leak in the code
        self.unseen = 0.0  # one that neither weights nor operators show

    def forward(self, images: Tensor) -> Tensor:
        unevenness = images[..., ::2, ::2] - images[..., 1::2, 1::2]
        leak = self.leak + self.shown + (0.0 if len(images) == ROWS else self.unseen)
        return self.head(self.blocks(images).relu().flatten(1)) + leak * self.uneven(unevenness.flatten(1))


def build(name: str, leak: float = 0.0) -> Tiny:
    return Tiny(leak=leak, **{"small": {"width": 6, "seed": 1}, "large": {"width": 9, "seed": 10}}[name])


def small() -> Tiny:
    return _behaving(build("small"))


def large() -> Tiny:
    return _behaving(build("large"))


def _behaving(model: Tiny) -> Tiny:
    case = os.environ["PYTEST_CURRENT_TEST"].partition("[")[2].partition("]")[0]
    with (HERE / "executed.txt").open("a") as log:
        log.write(f"{case}\n")
    file = HERE / "behaviour.json"
    behaviour = json.loads(file.read_text()).get(case) if file.exists() else None
    if behaviour == "weak":
        model.leak.data.fill_(1.0)
    elif behaviour == "patched":
        model.shown = 1.0
    elif behaviour == "drifted":
        model.unseen = 1.0
    elif behaviour == "broken":
        raise RuntimeError("this factory is broken")
    elif behaviour == "xfails":
        pytest.xfail("known")
    elif behaviour == "skipped":
        pytest.skip("not today")
    elif behaviour == "exits":
        sys.exit("enough")
    elif behaviour == "not finite":
        model.head.bias.data.fill_(torch.nan)
    elif behaviour == "wrong":
        model.head.bias.data[0] = 1e3
    elif behaviour == "dies":
        os._exit(3)
    elif behaviour == "slow":
        (HERE / "started.txt").touch()
        time.sleep(60)
    return model


class Counted:
    """An attack of one step whose calls can be counted."""

    def __init__(self, model: nn.Module, eps: float) -> None:
        self.model, self.eps = model, eps

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        with (HERE / "attacked.txt").open("a") as log:
            log.write(f"{len(images)}\n")
        inputs = images.clone().requires_grad_()
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        (gradient,) = torch.autograd.grad(loss, inputs)
        return (images + self.eps * gradient.sign()).clamp(0, 1)

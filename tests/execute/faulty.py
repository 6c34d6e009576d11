"""Small classifiers for the tests of engines, which copy this file beside their suite: sound, slow, and faulty ones."""

import os
import time
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent
SIZE, CLASSES = 8, 4


def build(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16, CLASSES),
        )


def first() -> nn.Module:
    return build(1)


def second() -> nn.Module:
    return build(2)


def third() -> nn.Module:
    return build(3)


def dies_once() -> nn.Module:
    """End the process the first time, as the kernel does when memory runs out."""
    try:
        (HERE / "died").touch(exist_ok=False)
    except FileExistsError:
        return build(5)
    os._exit(9)


def dies() -> nn.Module:
    os._exit(9)


def raises() -> nn.Module:
    raise ValueError("no such layer")


def hangs() -> nn.Module:
    (HERE / "hanging").write_text(str(os.getpid()))
    time.sleep(300)
    return build(6)

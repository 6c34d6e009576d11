"""The CIFAR-10 ResNet-18 that pyautoattack's example brings; its pixels are in [0, 1]."""

import importlib.util
import sys
from pathlib import Path

from torch import nn


def examples() -> Path:
    """Return the folder of pyautoattack's examples."""
    spec = importlib.util.find_spec("pyautoattack")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("examples")


def resnet18() -> nn.Module:
    sys.path.insert(0, str(examples()))
    from resnet import ResNet18

    return ResNet18()

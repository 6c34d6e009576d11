"""EfficientNet-Lite0 of timm, whose ImageNet weights a package brings."""

import timm
from torch import nn


def lite0() -> nn.Module:
    return timm.create_model("tf_efficientnet_lite0")

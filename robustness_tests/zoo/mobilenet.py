"""MobileNets for 32 x 32 images: torchvision's own classes at reduced width, halving the image less often.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks"; Howard et al., "Searching for
MobileNetV3" (squeeze-and-excitation, hard-swish).
"""

from torch import nn
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

CLASSES = 10

#: V2's own (expansion, channels, blocks, stride), but two stages keep the resolution.
V2_SETTING = [
    [1, 16, 1, 1],
    [6, 24, 2, 1],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 1],
    [6, 320, 1, 1],
]


def mobilenet_v2() -> nn.Module:
    """Without dropout: this narrow it underfits."""
    return MobileNetV2(num_classes=CLASSES, width_mult=0.35, inverted_residual_setting=V2_SETTING, dropout=0.0)


def _v3(arch: str, width: float) -> nn.Module:
    setting, last_channel = _mobilenet_v3_conf(arch, width_mult=width)
    model = MobileNetV3(setting, last_channel, num_classes=CLASSES)
    model.features[0][0].stride = (1, 1)  # of the stem
    return model


def mobilenet_v3_small() -> nn.Module:
    return _v3("mobilenet_v3_small", 0.75)


def mobilenet_v3_large() -> nn.Module:
    return _v3("mobilenet_v3_large", 0.35)

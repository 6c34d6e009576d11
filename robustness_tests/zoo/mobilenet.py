"""MobileNets for 32 x 32 images: torchvision's own classes at reduced width, with a stem that keeps the resolution.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks"; Howard et al., "Searching for
MobileNetV3" (squeeze-and-excitation, hard-swish).
"""

from torch import nn
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf

CLASSES = 10


def mobilenet_v2() -> nn.Module:
    return MobileNetV2(num_classes=CLASSES, width_mult=0.5)


def _v3(arch: str, width: float) -> nn.Module:
    setting, last_channel = _mobilenet_v3_conf(arch, width_mult=width)
    return MobileNetV3(setting, last_channel, num_classes=CLASSES)


def mobilenet_v3_small() -> nn.Module:
    return _v3("mobilenet_v3_small", 0.75)


def mobilenet_v3_large() -> nn.Module:
    return _v3("mobilenet_v3_large", 0.5)

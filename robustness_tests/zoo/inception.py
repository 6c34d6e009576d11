"""Compact Inceptions for 32 x 32 images: what their papers add to one another, at a fraction of the width.

V3 has branches of factorised convolutions and grid reductions without a bottleneck. V4 is uniform, with a stem that
itself branches. ResNet-V2 puts V4's idea of branches into scaled residual blocks.

Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (V3) and "Inception-v4,
Inception-ResNet and the Impact of Residual Connections on Learning" (V4, ResNet-V2).
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

CLASSES = 10


def conv(inputs: int, outputs: int, size: int | tuple[int, int] = 1, stride: int = 1) -> nn.Module:
    """Convolution, batch norm, ReLU; keeps height and width at stride 1."""
    height, width = (size, size) if isinstance(size, int) else size
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, (height, width), stride, (height // 2, width // 2), bias=False),
        nn.BatchNorm2d(outputs, eps=0.001),
        nn.ReLU(inplace=True),
    )


def factorised(inputs: int, middle: int, outputs: int, size: int) -> list[nn.Module]:
    """A size x size convolution as 1 x size and size x 1."""
    return [conv(inputs, middle, (1, size)), conv(middle, outputs, (size, 1))]


class Branches(nn.Module):
    """The same input through every branch, the outputs side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Residual(nn.Module):
    """x + scale * f(x), then ReLU. Scaling keeps wide residual Inceptions from dying in training."""

    def __init__(self, branches: nn.Module, joined: int, channels: int, scale: float) -> None:
        super().__init__()
        self.branches = branches
        self.project = nn.Conv2d(joined, channels, 1)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.project(self.branches(x)), alpha=self.scale).relu_()


def pooled(inputs: int, outputs: int) -> nn.Module:
    """Projected first: pooling fewer channels is cheaper, and both are linear but for the activation between."""
    return nn.Sequential(conv(inputs, outputs), nn.AvgPool2d(3, 1, 1, count_include_pad=False))


def reduction(inputs: int, single: int, double: int) -> nn.Module:
    """Halves height and width: strided convolutions beside a pooling. ``inputs + single + double`` channels."""
    return Branches(
        nn.AvgPool2d(2),  # a maximum is three times slower on a CPU
        nn.Sequential(conv(inputs, single // 2), conv(single // 2, single, 3, 2)),
        nn.Sequential(conv(inputs, double // 2), conv(double // 2, double // 2, 3), conv(double // 2, double, 3, 2)),
    )


def _classifier(blocks: "OrderedDict[str, nn.Module]", channels: int) -> nn.Module:
    blocks["pool"] = nn.AdaptiveAvgPool2d(1)
    blocks["flatten"] = nn.Flatten()
    blocks["classifier"] = nn.Linear(channels, CLASSES)
    return nn.Sequential(blocks)


def _v3_a(inputs: int, pool: int) -> nn.Module:
    """48 + ``pool`` channels."""
    return Branches(
        conv(inputs, 16),
        nn.Sequential(conv(inputs, 8), conv(8, 16, 5)),
        nn.Sequential(conv(inputs, 8), conv(8, 16, 3), conv(16, 16, 3)),
        pooled(inputs, pool),
    )


def _v3_b(inputs: int, middle: int) -> nn.Module:
    """Factorised 7 x 7; 128 channels."""
    return Branches(
        conv(inputs, 32),
        nn.Sequential(conv(inputs, middle), *factorised(middle, middle, 32, 7)),
        nn.Sequential(conv(inputs, middle), *factorised(middle, middle, middle, 7), *factorised(middle, middle, 32, 7)),
        pooled(inputs, 32),
    )


def _v3_c(inputs: int) -> nn.Module:
    """Expanded filter bank: 1 x 3 beside 3 x 1; 240 channels."""
    return Branches(
        conv(inputs, 48),
        nn.Sequential(conv(inputs, 48), Branches(conv(48, 40, (1, 3)), conv(48, 40, (3, 1)))),
        nn.Sequential(conv(inputs, 48), conv(48, 48, 3), Branches(conv(48, 40, (1, 3)), conv(48, 40, (3, 1)))),
        pooled(inputs, 32),
    )


def inception_v3() -> nn.Module:
    blocks: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3)),
        a=_v3_a(32, 16),
        reduce1=reduction(64, 32, 32),
        b=_v3_b(128, 32),
        reduce2=reduction(128, 32, 32),
        c1=_v3_c(192),
        c2=_v3_c(240),
    )
    return _classifier(blocks, 240)


def _v4_stem() -> nn.Module:
    """V4's: a short and a long path side by side; 32 channels."""
    return nn.Sequential(
        conv(3, 16, 3, 2),
        Branches(
            nn.Sequential(conv(16, 8), conv(8, 16, 3)),
            nn.Sequential(conv(16, 8), *factorised(8, 8, 8, 7), conv(8, 16, 3)),
        ),
    )


def _v4_a() -> nn.Module:
    """48 channels."""
    return Branches(
        pooled(32, 8),
        conv(32, 16),
        nn.Sequential(conv(32, 8), conv(8, 16, 3)),
        nn.Sequential(conv(32, 8), conv(8, 8, 3), conv(8, 8, 3)),
    )


def _v4_b(inputs: int) -> nn.Module:
    """128 channels."""
    return Branches(
        pooled(inputs, 32),
        conv(inputs, 32),
        nn.Sequential(conv(inputs, 16), *factorised(16, 16, 32, 7)),
        nn.Sequential(conv(inputs, 16), *factorised(16, 16, 16, 7), *factorised(16, 16, 32, 7)),
    )


def _v4_c() -> nn.Module:
    """192 channels."""
    return Branches(
        pooled(192, 32),
        conv(192, 32),
        nn.Sequential(conv(192, 48), Branches(conv(48, 32, (1, 3)), conv(48, 32, (3, 1)))),
        nn.Sequential(conv(192, 48), *factorised(48, 56, 64, 3), Branches(conv(64, 32, (1, 3)), conv(64, 32, (3, 1)))),
    )


def inception_v4() -> nn.Module:
    blocks: OrderedDict[str, nn.Module] = OrderedDict(
        stem=_v4_stem(),
        a=_v4_a(),
        reduce1=reduction(48, 32, 32),
        b1=_v4_b(112),
        b2=_v4_b(128),
        reduce2=reduction(128, 32, 32),
        c1=_v4_c(),
        c2=_v4_c(),
    )
    return _classifier(blocks, 192)


def _resnet_a() -> nn.Module:
    branches = Branches(
        conv(32, 8),
        nn.Sequential(conv(32, 8), conv(8, 8, 3)),
        nn.Sequential(conv(32, 8), conv(8, 8, 3), conv(8, 16, 3)),
    )
    return Residual(branches, 32, 32, 0.17)


def _resnet_b() -> nn.Module:
    branches = Branches(conv(96, 32), nn.Sequential(conv(96, 16), *factorised(16, 16, 32, 7)))
    return Residual(branches, 64, 96, 0.10)


def _resnet_c() -> nn.Module:
    branches = Branches(conv(192, 32), nn.Sequential(conv(192, 32), *factorised(32, 32, 48, 3)))
    return Residual(branches, 80, 192, 0.20)


def inception_resnet_v2() -> nn.Module:
    blocks: OrderedDict[str, nn.Module] = OrderedDict(
        stem=_v4_stem(),
        **{f"a{i}": _resnet_a() for i in range(1, 3)},
        reduce1=reduction(32, 32, 32),
        **{f"b{i}": _resnet_b() for i in range(1, 4)},
        reduce2=reduction(96, 48, 48),
        **{f"c{i}": _resnet_c() for i in range(1, 4)},
    )
    return _classifier(blocks, 192)

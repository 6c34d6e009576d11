"""VGG at a quarter of its width, for 32 x 32 images.

The feature extractors are torchvision's own, from channel lists divided by four. Five poolings bring 32 x 32 down to
one pixel, so the classifier has 128 inputs; it keeps VGG's three fully connected layers. ``vggN`` and ``vggN_bn``
differ in batch norm and in nothing else.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", configurations
A, B, D and E.
"""

from collections import OrderedDict

from torch import nn
from torchvision.models.vgg import cfgs, make_layers

WIDTH = 4  # divides the channels
CLASSES = 10


def _vgg(configuration: str, *, batch_norm: bool) -> nn.Module:
    channels = [c if isinstance(c, str) else c // WIDTH for c in cfgs[configuration]]
    features = channels[-2]
    assert isinstance(features, int)  # the list ends "..., 128, M"
    return nn.Sequential(
        OrderedDict(
            features=make_layers(channels, batch_norm=batch_norm),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(
                nn.Linear(features, features),
                nn.ReLU(inplace=True),
                nn.Linear(features, features),
                nn.ReLU(inplace=True),
                nn.Linear(features, CLASSES),
            ),
        )
    )


def vgg11() -> nn.Module:
    return _vgg("A", batch_norm=False)


def vgg11_bn() -> nn.Module:
    return _vgg("A", batch_norm=True)


def vgg13() -> nn.Module:
    return _vgg("B", batch_norm=False)


def vgg13_bn() -> nn.Module:
    return _vgg("B", batch_norm=True)


def vgg16() -> nn.Module:
    return _vgg("D", batch_norm=False)


def vgg16_bn() -> nn.Module:
    return _vgg("D", batch_norm=True)


def vgg19() -> nn.Module:
    return _vgg("E", batch_norm=False)


def vgg19_bn() -> nn.Module:
    return _vgg("E", batch_norm=True)

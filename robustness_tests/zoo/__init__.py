"""The zoo: small classifiers of CIFAR-10 that ship with the repository, and the commands that made them.

``python -m robustness_tests.zoo.train MODEL ...`` trains, ``python -m robustness_tests.zoo.select`` chooses the images.
"""

from pathlib import Path

from robustness_tests.zoo.inception import inception_resnet_v2, inception_v3, inception_v4
from robustness_tests.zoo.mobilenet import mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small
from robustness_tests.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

FACTORIES = (
    *(vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn),
    *(inception_v3, inception_v4, inception_resnet_v2),
    *(mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large),
)
ARCHITECTURES = {factory.__name__: factory for factory in FACTORIES}
FOLDER = Path(__file__).parent
SUITE = FOLDER.parent / "zoo.toml"
WEIGHTS = FOLDER / "weights"
IMAGES = FOLDER / "images"
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)

__all__ = ["ARCHITECTURES", "CLASS_NAMES", "IMAGES", "MEAN", "STD", "SUITE", "WEIGHTS", *ARCHITECTURES]

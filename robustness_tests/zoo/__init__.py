"""The zoo: small classifiers of CIFAR-10 that ship with the repository, and the commands that made them.

``python -m robustness_tests.zoo.train MODEL ...`` trains, ``python -m robustness_tests.zoo.select`` chooses the images.
"""

from pathlib import Path

from robustness_tests.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

ARCHITECTURES = {
    factory.__name__: factory for factory in (vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn)
}
FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "weights"
IMAGES = FOLDER / "images"
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)

__all__ = ["ARCHITECTURES", "CLASS_NAMES", "IMAGES", "MEAN", "STD", "WEIGHTS", *ARCHITECTURES]

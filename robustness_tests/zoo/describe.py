"""Write the zoo's README.md, with each model's size and accuracy: ``python -m robustness_tests.zoo.describe``."""

import argparse
from pathlib import Path

import torch
from pytest_robustness.evaluate.health.pgd import reference_pgd
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.weights import load_weights
from torch import nn
from tqdm import tqdm

from robustness_tests.zoo import ARCHITECTURES, FOLDER, MEAN, STD, WEIGHTS, cifar10
from robustness_tests.zoo.train import tensors, top_k
from robustness_tests.zoo.train_adversarially import ARCHITECTURE, NAME

PAGE = """\
# The zoo

Fourteen small classifiers of CIFAR-10 (32 x 32 pixels, ten classes), counterparts of the paper's fourteen of ImageNet.
`python -m robustness_tests.zoo.describe` wrote this page; accuracies are of the weights beside it, on all 10,000 test
images.

| model | parameters | layers | activation | top-1 | top-5 |
|---|--:|--:|---|--:|--:|
{rows}

*Layers* are convolutions and fully connected ones, all branches counted.

- **VGG**: torchvision's configurations at a quarter of their width, three fully connected layers of 128. Batch norm is
  the only difference between `vggN` and `vggN_bn`.
- **Inception**: compact modules of our own, as the libraries' need larger images. V3 has factorised branches and an
  expanded filter bank, V4 a stem that branches and one more uniform block, ResNet-V2 scaled residual connections. All
  have batch norm.
- **MobileNet**: torchvision's own classes at reduced width, halving the image less often. V3 has
  squeeze-and-excitation and hard-swish.

One recipe trained all of them on one thread, 20 epochs each (`mobilenet_v2` 30):

```console
$ python -m robustness_tests.zoo.train MODEL ...    # see its docstring for the recipe
$ python -m robustness_tests.zoo.select             # the image sets, from what every model gets right
```

## A model that resists

`vgg11_bn_adversarial` is `vgg11_bn` trained adversarially (Madry et al. 2018): each step learns from what PGD makes of
its batch, in three steps of 2/255 from a random start in the L-infinity ball of radius 4/255; else the same recipe, 20
epochs on one thread. It is the tests' reference of a model that attacks fail on without anything being hidden from
them, and no model of zoo.toml: the image sets do not depend on it.

| model | top-1 | fooled by FGSM | fooled by PGD |
|---|--:|--:|--:|
{resisting}

*Fooled* are shares of the test images that the model classifies correctly, by attacks of epsilon 0.01; PGD takes ten
steps of 0.0025 from a random start.

```console
$ python -m robustness_tests.zoo.train_adversarially
```
"""

BATCH = 500
EPS = 0.01  # that of zoo.toml


def layers(model: nn.Module) -> int:
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules())


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def activations(model: nn.Module) -> str:
    """Of the hidden layers."""
    kinds = {type(module) for module in model.modules()}
    names = {nn.ReLU: "ReLU", nn.ReLU6: "ReLU6", nn.Hardswish: "hard-swish", nn.Hardsigmoid: "hard-sigmoid"}
    return ", ".join(name for kind, name in names.items() if kind in kinds)


def row(name: str, test: cifar10.Split) -> str:
    model = ARCHITECTURES[name]()
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    top_1, top_5 = top_k(model, *tensors(test))
    described = f"{parameters(model):,} | {layers(model)} | {activations(model)}"
    return f"| `{name}` | {described} | {top_1:.2%} | {top_5:.2%} |"


def resistance(name: str, architecture: str, test: cifar10.Split) -> str:
    """The row of a model in the second table: its accuracy, and which share of what it gets right attacks turn."""
    model = ARCHITECTURES[architecture]()
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    images, labels = tensors(test)
    right, by_fgsm, by_pgd = 0, 0, 0
    with Classifier(model, mean=MEAN, std=STD) as classifier:
        for start in range(0, len(labels), BATCH):
            pixels, truth = images[start : start + BATCH].float() / 255, labels[start : start + BATCH]
            with torch.no_grad():
                correct = classifier(pixels).argmax(1) == truth
            pixels, truth = pixels[correct], truth[correct]
            right += len(truth)
            by_fgsm += int(reference_pgd(classifier, pixels, truth, eps=EPS, steps=1, step=EPS).sum())
            by_pgd += int(reference_pgd(classifier, pixels, truth, eps=EPS, steps=10, step=EPS / 4, start=start).sum())
    shares = (right / len(labels), by_fgsm / max(right, 1), by_pgd / max(right, 1))
    return f"| `{name}` | {' | '.join(f'{share:.2%}' for share in shares)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m robustness_tests.zoo.describe", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data", type=Path, help="CIFAR-10 as .npz (default: downloaded to the cache folder)")
    parser.add_argument("--output", type=Path, default=FOLDER / "README.md", help="(default: %(default)s)")
    arguments = parser.parse_args()
    test = cifar10.load(arguments.data).test
    rows = [row(name, test) for name in tqdm(ARCHITECTURES, "models", disable=None)]
    resisting = [resistance(name, ARCHITECTURE, test) for name in (ARCHITECTURE, NAME)]
    arguments.output.write_text(PAGE.format(rows="\n".join(rows), resisting="\n".join(resisting)))
    print(f"{arguments.output}: {len(rows)} models")


if __name__ == "__main__":
    torch.set_num_threads(1)  # as in training: the last digit may depend on it
    main()

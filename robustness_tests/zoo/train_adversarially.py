"""Train the zoo's model that resists attacks: ``python -m robustness_tests.zoo.train_adversarially``.

The architecture is ``vgg11_bn`` and the recipe is ``train``'s, but each step learns from the images that PGD makes of
its batch, and from no others: "adversarial training" of Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep
Learning Models Resistant to Adversarial Attacks", ICLR 2018, sections 2.1 and 3. The ball is larger than that of the
zoo's attacks (4/255 = 0.0157, theirs 0.01), so that the model resists with some margin.

It is a reference for tests, of a model whose attacks fail without any masking, and no model of zoo.toml: the selected
images are those that all models of the suite classify correctly.
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustness_tests.zoo import MEAN, STD
from robustness_tests.zoo.train import EPOCHS, add_options, prepared, ship, train

NAME = "vgg11_bn_adversarial"
ARCHITECTURE = "vgg11_bn"
EPS = 4 / 255  # L-infinity, of a pixel's range [0, 1]
STEP = 2 / 255
STEPS = 3


def perturbed(model: nn.Module, inputs: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
    """Attack a batch by PGD: ``STEPS`` steps of ``STEP`` from a uniform start in the L-infinity ball of radius ``EPS``.

    The model is attacked in eval mode, as it will be attacked when it is finished, and left in train mode.

    Args:
        model: (n, 3, H, W) normalised to (n, K) logits.
        inputs: (n, 3, H, W), normalised.
        labels: (n,).
        rng: draws the start.

    Returns:
        (n, 3, H, W), normalised: pixels within ``EPS`` of those of ``inputs`` and in [0, 1].
    """
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    eps, step = EPS / std, STEP / std
    low, high = torch.maximum(inputs - eps, -mean / std), torch.minimum(inputs + eps, (1 - mean) / std)
    start = torch.empty_like(inputs).uniform_(-1, 1, generator=rng)  # empty_like keeps the memory format
    current = (inputs + eps * start).clamp(low, high)
    model.eval().requires_grad_(False)  # no gradients of weights: a third of the time
    for _ in range(STEPS):
        current.requires_grad_()
        loss = functional.cross_entropy(model(current), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, current)
        current = (current.detach() + step * gradient.sign()).clamp(low, high)
    model.train().requires_grad_(True)
    return current


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m robustness_tests.zoo.train_adversarially", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="(default: %(default)s)")
    add_options(parser)
    arguments = parser.parse_args()
    data = prepared(arguments)
    model = train(
        NAME,
        data,
        epochs=arguments.epochs,
        seed=arguments.seed,
        checkpoints=arguments.checkpoints,
        architecture=ARCHITECTURE,
        perturb=perturbed,
    )
    ship(NAME, model, data, arguments.output)


if __name__ == "__main__":
    main()

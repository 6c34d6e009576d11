"""Choose the zoo's images from CIFAR-10's test images: ``python -m robustness_tests.zoo.select``.

Two sets: images that every model of zoo.toml classifies correctly, as balanced over the classes as that allows, to be
attacked; and images drawn blindly, for clean accuracy. Both follow from the seed and the models' weights.
"""

import argparse
import tomllib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.weights import load_weights
from tqdm import tqdm

from robustness_tests.zoo import ARCHITECTURES, CLASS_NAMES, IMAGES, MEAN, STD, SUITE, WEIGHTS, cifar10

BATCH = 500


@torch.no_grad()
def correct(name: str, split: cifar10.Split) -> NDArray[np.bool_]:
    """(N,), which images the zoo model classifies correctly."""
    model = ARCHITECTURES[name]()
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    right = np.zeros(len(split.labels), dtype=bool)
    with Classifier(model, mean=MEAN, std=STD) as classifier:
        for start in range(0, len(right), BATCH):
            images = torch.from_numpy(split.images[start : start + BATCH].transpose(0, 3, 1, 2).copy())
            predicted = classifier(images.float() / 255).argmax(1).numpy()
            right[start : start + BATCH] = predicted == split.labels[start : start + BATCH]
    return right


def allocate(total: int, available: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of each class: ``total`` in all, none more than there are, the smallest as large as possible."""
    chosen = np.zeros_like(available)
    while chosen.sum() < total:
        open_classes = np.flatnonzero(chosen < available)
        if not len(open_classes):
            raise SystemExit(f"only {int(available.sum())} images are classified correctly by every model, not {total}")
        chosen[open_classes[: total - int(chosen.sum())]] += 1  # those still open have all got as many
    return chosen


def choose(eligible: NDArray[np.bool_], labels: NDArray[np.int64], total: int, seed: int) -> NDArray[np.int64]:
    """Positions of ``total`` eligible images, balanced over the classes, in ascending order."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = [shuffled[eligible[shuffled] & (labels[shuffled] == c)] for c in range(len(CLASS_NAMES))]
    counts = allocate(total, np.array([len(members) for members in by_class]))
    return np.sort(np.concatenate([members[:count] for members, count in zip(by_class, counts, strict=True)]))


def save(path: Path, split: cifar10.Split, ids: NDArray[np.int64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, images=split.images[ids], labels=split.labels[ids].astype(np.uint8), ids=ids.astype(np.uint16)
    )


def main() -> None:
    models = list(tomllib.loads(SUITE.read_text())["models"])
    parser = argparse.ArgumentParser(prog="python -m robustness_tests.zoo.select", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="images of each set (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="CIFAR-10 as .npz (default: downloaded to the cache folder)")
    parser.add_argument("--output", type=Path, default=IMAGES, help="folder of the image sets (default: %(default)s)")
    arguments = parser.parse_args()
    test = cifar10.load(arguments.data).test
    eligible = np.ones(len(test.labels), dtype=bool)
    for name in tqdm(models, "models", disable=None):
        right = correct(name, test)
        eligible &= right
        print(f"{name}: {right.mean():.2%} of {len(right)} test images correct, {int(eligible.sum())} by all so far")
    selected = choose(eligible, test.labels, arguments.count, arguments.seed)
    save(arguments.output / "selected.npz", test, selected)
    generator = np.random.default_rng([arguments.seed, 1])
    unselected = np.sort(generator.choice(len(test.labels), arguments.count, replace=False))
    save(arguments.output / "unselected.npz", test, unselected)
    counts = np.bincount(test.labels[selected], minlength=len(CLASS_NAMES))
    print("selected:", ", ".join(f"{name} {count}" for name, count in zip(CLASS_NAMES, counts, strict=True)))


if __name__ == "__main__":
    main()

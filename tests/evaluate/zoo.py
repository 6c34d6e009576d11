"""Models and images of the shipped zoo, for tests below the level of a case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.evaluate.models.weights import load_weights
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Suite
from torch import Tensor, nn

from robustness_tests.zoo import ARCHITECTURES, WEIGHTS
from robustness_tests.zoo.train_adversarially import ARCHITECTURE, NAME

ROOT = Path(__file__).parents[2]
#: Of each architecture one; none of them agrees with itself in batches of one image and of a hundred.
MODELS = ("vgg11_bn", "mobilenet_v3_small", "inception_v3")
#: Forwards of so many rows are bit-equal to larger ones for all of these.
ROW_FLOOR = 16


@cache
def suite() -> Suite:
    return load_suite(ROOT / "robustness_tests" / "zoo.toml")


def pixels(count: int, first: int = 0) -> tuple[Tensor, Tensor]:
    """Images that every model of the zoo gets right, (count, C, H, W) in [0, 1], and their labels."""
    assert suite().images.file is not None
    with np.load(suite().images.file) as stored:
        images, labels = (torch.from_numpy(stored[name][first : first + count]) for name in ("images", "labels"))
    return images.permute(0, 3, 1, 2).contiguous().float() / 255, labels.long()


@contextmanager
def classifier(name: str, memory_format: torch.memory_format = torch.channels_last) -> Iterator[Classifier]:
    """A model of the zoo, with the zoo's normalisation."""
    case = suite().case(f"{name}/pgd")
    normalisation = case.normalisation
    model = load_model(case)
    with Classifier(model, mean=normalisation.mean, std=normalisation.std, memory_format=memory_format) as borrowed:
        yield borrowed


def resisting() -> nn.Module:
    """The zoo's adversarially trained model, which expects images normalised as the others do.

    It gets nine of ten of ``pixels`` right, not all.
    """
    model = ARCHITECTURES[ARCHITECTURE]()
    load_weights(model, WEIGHTS / f"{NAME}.safetensors")
    return model.eval()

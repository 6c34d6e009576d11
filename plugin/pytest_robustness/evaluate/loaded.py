"""Loading a case's model and lending it for a while as the classifier that is attacked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.compiled import eager
from pytest_robustness.evaluate.models.load import classifier_of, load_model
from pytest_robustness.evaluate.models.sources import normalisation_of
from pytest_robustness.evaluate.runtime.errors import translate_device_errors
from pytest_robustness.evaluate.runtime.numerics import standard_numerics
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.suite.suite import Case

MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@contextmanager
def loaded_classifier(case: Case, images: ImageSet, device: torch.device) -> Iterator[Classifier]:
    """Load a case's model and lend it as a classifier for the block, in the standard numeric state."""
    with standard_numerics() as set_again:
        with translate_device_errors(case), seeded(case.suite.seed, "model"):  # a factory may draw random weights
            model = load_model(case)
        set_again()  # the model's code may have changed the numeric state
        with (
            translate_device_errors(case),
            eager(model, f"{case.suite.path}: models.{case.model_name}"),
            borrowed(model, case, images, device) as classifier,
        ):
            if classifier.precision != classifier.dtype:
                warnings.warn(_of_precision(case, classifier.precision), stacklevel=3)
            yield classifier


def _of_precision(case: Case, precision: torch.dtype) -> str:
    """Return a warning that says in which precision a model is measured when it is not the usual one.

    It also says what that costs.
    """
    half = " (on a CPU several times as slow as float32)" if precision.itemsize < Classifier.dtype.itemsize else ""
    return f"{case.model_name} computes in {str(precision).removeprefix('torch.')}, and is measured as it is{half}"


def borrowed(model: nn.Module, case: Case, images: ImageSet, device: torch.device) -> Classifier:
    """Return a case's model as the classifier that is attacked.

    Raises RobustnessError when its normalisation does not fit the images' channels.
    """
    normalisation = normalisation_of(case)
    channels = images.shape[0]
    for name, given in (("mean", normalisation.mean), ("std", normalisation.std)):
        if len(given) not in (1, channels):
            problem = f"of {case.model_name}: {len(given)} values for images of {channels} channels"
            raise case.error(f"normalisation.{name}", problem)
    return classifier_of(case, model, device, _memory_format(case, device))


def _memory_format(case: Case, device: torch.device) -> torch.memory_format:
    """Return how weights and images are laid out in memory: as the suite says on a CPU, contiguous on a GPU.

    With channels_last on a GPU torch 2.11 returned gradients of an Inception V3 that were wrong by a third, without a
    warning, while its logits were right. With contiguous tensors they were right to seven digits, as on a CPU in either
    format.
    """
    return MEMORY_FORMATS[case.suite.memory_format] if device.type == "cpu" else torch.contiguous_format

"""A model before it is attacked: a cache of what is known of it, and its answers for clean images."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.models.classifier import Classifier, padded
from pytest_robustness.suite.suite import Case

T = TypeVar("T")


class ModelCache:
    """Remembers what was found out about models, once for all of their cases in one session.

    A file that changed is looked at again. Code that changed in a running process is not.
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what ``find`` returned when ``key`` was first asked for. What it raises is not remembered."""
        if key not in self._found:
            self._found[key] = find()
        found: T = self._found[key]
        return found

    def find(self, key: Hashable) -> Any:
        """Return what was found under a key. Returns None when nothing was."""
        return self._found.get(key)


@dataclass(frozen=True)
class Answers:
    """Holds the model's answers for clean images, (N,) each, on the CPU."""

    predicted: Tensor
    correct: Tensor
    top_5: Tensor


@torch.no_grad()
def answers(classifier: Classifier, images: ImageSet, case: Case, row_floor: int) -> Answers:
    """Return the model's answers for clean images, computed in the case's batches.

    Raises RobustnessError, which names the model, or its images' classes, when logits are not finite or there are
    fewer classes than the labels have.
    """
    predicted, top_5, names = [], [], case.suite.images.classes
    for start in range(0, len(images), case.batch_size):
        inputs, labels = images.batch(slice(start, start + case.batch_size), classifier.device, classifier.dtype)
        logits = padded(classifier, inputs, row_floor)
        if not bool(logits.isfinite().all()):
            raise case.error(f"models.{case.model_name}", "the model's logits are not finite")
        if isinstance(names, tuple) and int(labels.max()) >= len(names):
            problem = f"names {len(names)} classes, but an image's label is {int(labels.max())}"
            raise case.error("images.classes", problem)
        if int(labels.max()) >= logits.shape[1]:
            problem = f"the model has {logits.shape[1]} classes, but an image's label is {int(labels.max())}"
            raise case.error(f"models.{case.model_name}", problem)
        predicted.append(logits.argmax(1).cpu())
        above = (logits > logits.gather(1, labels.unsqueeze(1))).sum(1)
        top_5.append((above < 5).cpu())
    said = torch.cat(predicted) if predicted else torch.zeros(0, dtype=torch.int64)
    correct = said == images.labels
    return Answers(said, correct, torch.cat(top_5) | correct if top_5 else correct)

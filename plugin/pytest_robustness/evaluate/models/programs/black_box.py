"""Black boxes: functions from images to answers, for example an endpoint or a model of another framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError


class BlackBox(nn.Module):
    """Turns a function into a module without gradients.

    Args:
        function: takes a batch in the form that the model expects, a float32 array. Returns (N, K) scores or (N,)
            labels, as an array or lists.
        classes: the suite's names of the classes. A label becomes one score for each of them, 1 for its own class and
            0 for the others.
        output: the key of what is meant when the answer is a dict.
    """

    def __init__(
        self, function: Callable[[Any], Any], classes: Sequence[str] | None, output: str | int | None = None
    ) -> None:
        super().__init__()
        self.function, self.classes, self.output = function, classes, output

    def forward(self, inputs: Tensor) -> Any:
        answer = self.function(inputs.detach().cpu().numpy())
        if isinstance(answer, Mapping) and self.output in answer:
            return {self.output: self._scores(answer[self.output], inputs)}
        return self._scores(answer, inputs)

    def _scores(self, answer: Any, inputs: Tensor) -> Tensor:
        array = np.asarray(answer)
        if array.dtype.kind in "iu" and array.shape in ((len(inputs),), (len(inputs), 1)):
            return self._of_labels(torch.from_numpy(array.reshape(-1).astype(np.int64))).to(inputs)
        if array.dtype.kind == "f" and array.size == len(inputs) and (array == array.round()).all() and array.max() > 1:
            raise RobustnessError(f"the black box answered with labels of {array.dtype}: should be integers")
        if array.dtype.kind not in "fiu":
            raise RobustnessError(f"the black box answered with {type(answer).__name__}: should be scores or labels")
        return torch.from_numpy(array.astype(np.float32)).to(inputs)

    def _of_labels(self, labels: Tensor) -> Tensor:
        if not self.classes:
            raise RobustnessError("the black box answers with labels: the suite's images.classes should name them all")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            found = f"from {int(labels.min())} to {int(labels.max())}"
            raise RobustnessError(f"the black box answered with labels {found}, of {len(self.classes)} classes")
        return nn.functional.one_hot(labels, len(self.classes))

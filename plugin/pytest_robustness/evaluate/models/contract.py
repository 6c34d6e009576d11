"""The contract of a model: how it takes an image of RGB pixels in [0, 1], and how its answer becomes logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pytest_robustness.errors import RobustnessError
from pytest_robustness.suite.model import Model

#: By so much rounding, also of half precision, may move a probability.
SLACK = 2e-3
#: The functions by which a head turns logits into probabilities.
HEADS: dict[str, tuple[Callable[..., Tensor], ...]] = {
    "softmax": (functional.softmax, torch.softmax, Tensor.softmax, torch.special.softmax),
    "probability": (functional.sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit),
}


@dataclass(frozen=True)
class Contract:
    """Says what a model expects of its input, except normalisation, and what its answer is.

    Before it is applied, images are RGB with pixels in [0, 1], channels first.

    Attributes:
        reverse: whether its channels are blue, green, red.
        range: least and largest value of its pixels before normalisation; None means [0, 1].
        last: whether its channels come last.
        output: key, attribute or index of the logits in its answer; None means that the answer is a tensor.
        head: what the answer is: ``logits``; ``softmax`` for (N, K) probabilities; ``sigmoid`` for (N,) or (N, 1)
            logits of the second of two classes, or their sigmoids.
    """

    reverse: bool = False
    range: tuple[float, float] | None = None
    last: bool = False
    output: str | int | None = None
    head: str = "logits"
    arguments: str = ""

    @classmethod
    def of(cls, model: Model) -> Contract:
        """Return the contract of a suite's table."""
        arguments = repr(sorted(model.arguments.items())) if model.arguments else ""
        return cls(model.channels == "BGR", model.range, model.layout == "NHWC", model.output, model.head, arguments)

    @property
    def unseen(self) -> str:
        """What no weight and no operator needs to show: which output, and how the model was built."""
        return "" if self.output is None and not self.arguments else f"{self.output} {self.arguments}"

    def scaled(self, images: Tensor) -> Tensor:
        """Return (N, C, H, W) images in [0, 1] with the model's order of channels and range."""
        if self.reverse:
            images = images.flip(1)
        if self.range is not None:
            least, most = self.range
            images = images * (most - least) + least
        return images

    def logits(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Return the (N, K) logits that a model gives for its input.

        When the call of softmax or sigmoid that ends the model can be observed, the logits are its input. Otherwise
        they follow from the probabilities, which are as far from 0 and 1 as the model's precision lets them be.

        Raises RobustnessError for an answer that is not what the contract says.
        """
        if self.last:
            inputs = inputs.movedim(1, -1).contiguous()
        functions = HEADS.get(self.head)
        if functions is None:
            answer = self._part(model(inputs))
            return (
                _checked(answer, len(inputs)) if self.head == "logits" else _two_classes(answer, len(inputs), self.head)
            )
        with _Heads(functions) as heads:
            answer = self._part(model(inputs))
        answer = _checked(answer, len(inputs)) if self.head == "softmax" else _one_each(answer, len(inputs), self.head)
        _check_probabilities(answer, self.head)
        before = heads.before(answer, self.head)
        if self.head == "softmax":
            return before if before is not None else log_probabilities(answer)
        return _two_classes(_log_odds(answer) if before is None else before, len(inputs), self.head)

    def doubt(self, logits: Tensor) -> str | None:
        """Return why answers to clean images, as logits, are hardly what the contract says; None when they may be."""
        if self.head == "sigmoid" and bool(((logits[:, 1] >= 0) & (logits[:, 1] <= 1)).all()):
            return 'the model\'s answers are all between 0 and 1, as probabilities are: say head = "probability"'
        return None

    def _part(self, answer: Any) -> Any:
        """Return the part of an answer that the suite names."""
        if self.output is None:
            return answer
        try:
            if isinstance(answer, Mapping) or (isinstance(self.output, int) and not isinstance(answer, Tensor)):
                return answer[self.output]
            return getattr(answer, str(self.output))
        except (AttributeError, LookupError, TypeError):
            raise RobustnessError(
                f"the model's answer has no output {self.output!r}: it is {_described(answer)}"
            ) from None


class _Heads(TorchFunctionMode):
    """Remembers the input and the result of the last call of some functions."""

    def __init__(self, functions: Sequence[Callable[..., Tensor]]) -> None:
        super().__init__()
        self.functions = functions
        self.last: tuple[Tensor, Tensor] | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in self.functions:
            self.last = args[0] if args else (kwargs or {})["input"], result
        return result

    def before(self, answer: Tensor, head: str) -> Tensor | None:
        """Return what an answer was made of; None where none of the functions made it, or it was changed afterwards."""
        if self.last is None or self.last[1] is not answer:
            return None
        logits = self.last[0]
        with torch.no_grad():
            again = logits.softmax(1) if head == "softmax" else logits.sigmoid()
            return logits if torch.allclose(again, answer, rtol=SLACK, atol=SLACK) else None


def _check_probabilities(answer: Tensor, head: str) -> None:
    """Raise RobustnessError, naming the key, for answers that are no probabilities."""
    with torch.no_grad():
        values = answer.detach().float()
        finite = values[values.isfinite().flatten(1).all(1)] if values.ndim > 1 else values[values.isfinite()]
        inside = bool(((finite >= -SLACK) & (finite <= 1 + SLACK)).all())
        sums = head != "softmax" or bool(((finite.sum(1) - 1).abs() <= SLACK * 10).all())
    if not inside or not sums:
        found = f"from {float(finite.min()):.3g} to {float(finite.max()):.3g}"
        what = f"{found}, and do not add up to 1" if inside else found
        other = "logits" if head == "softmax" else "sigmoid"
        raise RobustnessError(
            f'head = "{head}" is of answers that are probabilities, and the model\'s are {what}: say head = "{other}"'
        )


def log_probabilities(probabilities: Tensor) -> Tensor:
    """Return logarithms that are finite also where a probability is 0."""
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def _log_odds(probabilities: Tensor) -> Tensor:
    """Return log(p / (1 - p)), finite also where the probabilities are 0 or 1."""
    return log_probabilities(probabilities) - log_probabilities(1 - probabilities)


def _one_each(answer: Any, count: int, head: str) -> Tensor:
    """Return an answer that is one number an image."""
    if not isinstance(answer, Tensor) or tuple(answer.shape) not in {(count,), (count, 1)}:
        raise RobustnessError(
            f'the model returned {_described(answer)} for {count} images; with head = "{head}" it should be one '
            "number for each"
        )
    return answer


def _two_classes(answer: Any, count: int, head: str) -> Tensor:
    """Return (N, 2) logits of one logit an image: the first class's is 0."""
    logit = _one_each(answer, count, head).reshape(count)
    return torch.stack([torch.zeros_like(logit), logit], 1)


def _checked(answer: Any, count: int) -> Tensor:
    """Return the answer. Raises RobustnessError when it is not (N, K) logits of several classes."""
    if isinstance(answer, Tensor) and count and tuple(answer.shape) in {(count,), (count, 1)}:
        raise RobustnessError(
            f"the model returned a tensor of {tuple(answer.shape)} for {count} images, not ({count}, K) logits: say "
            'head = "sigmoid" in the suite, where this is the second of two classes\' logit'
        )
    if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != count:
        hint = "" if isinstance(answer, Tensor) else '; output = "..." in the suite takes a part of it'
        raise RobustnessError(
            f"the model returned {_described(answer)} for {count} images, not ({count}, K) logits{hint}"
        )
    return answer


def _described(answer: Any) -> str:
    if isinstance(answer, Tensor):
        return f"a tensor of {tuple(answer.shape)}"
    kind = f"a {type(answer).__name__}"
    if isinstance(answer, Mapping):
        names = list(map(str, answer))
    elif is_dataclass(answer):
        names = [field.name for field in fields(answer)]
    else:
        names = list(getattr(answer, "_fields", ()))
    if names:
        return f"{kind} with {', '.join(names[:6])}"
    return f"{kind} of {len(answer)}" if isinstance(answer, Sequence) and not isinstance(answer, str) else kind

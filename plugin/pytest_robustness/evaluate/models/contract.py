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

#: The functions by which a head turns logits into probabilities.
HEADS: dict[str, tuple[Callable[..., Tensor], ...]] = {
    "softmax": (functional.softmax, torch.softmax, Tensor.softmax, torch.special.softmax),
    "sigmoid": (),
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

    @classmethod
    def of(cls, model: Model) -> Contract:
        """Return the contract of a suite's table."""
        return cls(model.channels == "BGR", model.range, model.layout == "NHWC", model.output, model.head)

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

        When the call of softmax or sigmoid that ends the model can be observed, the logits are its input. When a
        softmax cannot be observed, they are the logarithms of the probabilities, which are as large as the model's
        precision lets them be. When a sigmoid cannot be observed, the answer itself is taken as the logit.

        Raises RobustnessError for an answer that is not what the contract says.
        """
        if self.last:
            inputs = inputs.movedim(1, -1).contiguous()
        if self.head == "logits":
            return _checked(self._part(model(inputs)), len(inputs))
        with _Heads(HEADS[self.head]) as heads:
            answer = self._part(model(inputs))
        before = heads.before(answer) if isinstance(answer, Tensor) else None
        if self.head == "softmax":
            answer = _checked(answer, len(inputs))
            return before if before is not None else answer.clamp_min(torch.finfo(answer.dtype).tiny).log()
        return _two_classes(answer if before is None else before, len(inputs))

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

    def before(self, answer: Tensor) -> Tensor | None:
        """Return the input that an answer was computed from. Returns None when none of the functions computed it."""
        if self.last is None or self.last[1] is not answer:
            return None
        return self.last[0]


def _two_classes(answer: Any, count: int) -> Tensor:
    """Return (N, 2) logits made of one logit for each image: the first class's logit is 0."""
    if not isinstance(answer, Tensor) or tuple(answer.shape) not in {(count,), (count, 1)}:
        raise RobustnessError(
            f'the model returned {_described(answer)} for {count} images; with head = "sigmoid" it should be one '
            "number for each"
        )
    logit = answer.reshape(count)
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

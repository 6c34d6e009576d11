"""The classifier, as which an attack sees a model: it takes images in [0, 1], returns logits, changes nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.contract import Contract
from pytest_robustness.evaluate.runtime.errors import user_code
from pytest_robustness.suite.suite import Case

#: Bytes in each of the integers that a checksum adds up.
WORD = 8
#: Rows that are enough for the fourteen models of the zoo.
USUAL_FLOOR = 16
USUAL = Contract()
#: Images whose answers tell logits from probabilities.
SEVERAL = 8


class Frozen(nn.Module):
    """Stays in eval mode, whatever is called on it.

    Attacks "restore" training mode after they ran, through whatever wraps the model, and thereby corrupt batch norm.
    """

    def __init__(self) -> None:
        super().__init__()
        self.training = False

    def train(self, mode: bool = True) -> Self:
        return self


class Classifier(Frozen):
    """Turns any module into a function from images in [0, 1] to logits, until the end of a ``with`` block.

    Inside the block the parameters are frozen: an attack then computes the gradient of the input only, and it is bit
    for bit the same. The module is in eval mode and on ``device``. Afterwards, also after an exception, the module has
    its old modes and flags and the same tensor objects as before.

    Args:
        model: takes (N, C, H, W) normalised images, returns (N, K) logits.
        mean, std: per channel, or one for all; applied before the model, in the units of the contract's range.
        contract: how the model takes an image and answers.
        device: where the model runs. The model keeps its own precision: images are converted to it, and logits are
            converted back to the images' precision.
        memory_format: with ``torch.channels_last`` weights and images are laid out that way; else they stay as they
            are.

    Raises:
        RobustnessError: for a model that has tensors without values or made in inference mode; when the block begins
            and the model cannot be moved; when the block ends and a parameter or buffer is not bit-equal to what it
            was; when the model raises, or its output is not an (N, K) tensor of the model's precision or float32.
    """

    #: The dtype of images, logits and gradients.
    dtype = torch.float32

    def __init__(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        contract: Contract = USUAL,
        device: torch.device | str = "cpu",
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        with user_code("the model's parameters or buffers"):
            _check_tensors(model)
        self.model = model
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=self.dtype, device=device).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=self.dtype, device=device).view(-1, 1, 1))
        self.contract = contract
        self._asked = False
        self.device = torch.device(device)
        self.precision = precision_of(model)
        self.channels_last = memory_format is torch.channels_last
        self._modes = {module: getattr(module, "training", None) for module in model.modules()}
        self._flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
        self._data = {parameter: parameter.data for parameter in self._flags}
        self._buffers_of = {module: _buffers(module) for module in self._modes}
        self._parameters_of = {module: dict(module._parameters.items()) for module in self._modes}
        self._values = {buffer: buffer.clone() for buffer in model.buffers()}

    def __enter__(self) -> Self:
        try:
            _make_usable(self._modes)
            # modules of torch.export are always in eval mode, and raise NotImplementedError here
            with user_code("the model's eval()"), suppress(NotImplementedError):
                if self._modes[self.model] is not None:
                    self.model.eval()
            for parameter in self._flags:
                parameter.requires_grad_(False)
            with user_code(f"moving the model to {self.device}"):
                self.model.to(self.device)
                if self.channels_last:
                    self.model.to(memory_format=torch.channels_last)
                self._sums = {parameter: _checksum(parameter) for parameter in self._flags}
        except BaseException:
            with suppress(Exception):  # it would hide the first error
                self._give_back()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        changed = None if error else self.changed()
        with suppress(Exception) if error else nullcontext():  # it would hide the first error
            self._give_back()
        if changed:
            raise RobustnessError(
                f"the model changed its {changed} while it was attacked: a model that remembers in eval mode cannot be "
                "measured"
            )

    def changed(self) -> str | None:
        """Return the first parameter or buffer that is no longer bit-equal to what it was.

        Returns None when all are bit-equal.
        """
        return self._changed_parameter() or self._changed_buffer()

    def _changed_parameter(self) -> str | None:
        for name, parameter in self.model.named_parameters():
            if parameter not in self._sums or _checksum(parameter) != self._sums[parameter]:
                return f"parameter {name}"
        return None

    def _changed_buffer(self) -> str | None:
        for module, buffers in self._buffers_of.items():
            for name, before in buffers.items():
                now = _buffers(module).get(name)
                if (before is None) != (now is None):
                    return f"buffer {name}"
                if before is not None and now is not None and not _same(now, self._values[before]):
                    return f"buffer {name}"
        return None

    @torch.no_grad()
    def _give_back(self) -> None:
        for module, buffers in self._buffers_of.items():
            _put_buffers(module, buffers)
        for module, parameters in self._parameters_of.items():
            if isinstance(module._parameters, dict):  # those of a TorchScript module cannot be replaced
                module._parameters.update(parameters)
        for parameter, data in self._data.items():
            parameter.data = data
            parameter.requires_grad_(self._flags[parameter])
        for module, mode in self._modes.items():
            if mode is not None:  # frozen TorchScript modules have no mode
                module.training = mode
        for buffer, before in self._values.items():
            if not _same(buffer, before):  # only where needed: an expanded buffer cannot be written
                buffer.copy_(before)

    def forward(self, images: Tensor) -> Tensor:
        """Return the (N, K) logits of (N, C, H, W) images in [0, 1]."""
        with user_code("the model"):
            inputs = (self.contract.scaled(images) - self.mean) / self.std
            if self.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            logits = self.contract.logits(self.model, inputs.to(self.precision))
        if logits.dtype not in (self.precision, self.dtype):
            raise RobustnessError(f"the model returned logits of {logits.dtype}, not of {self.precision}, as it is")
        if not self._asked and len(images) >= SEVERAL:
            self._asked = True
            if doubt := self.contract.doubt(logits):
                raise RobustnessError(doubt)
        return logits.to(images.dtype)


def precision_of(model: nn.Module) -> torch.dtype:
    """Return the precision that a model computes in: that of its first floating-point parameter, else buffer.

    Returns float32 when it has neither.
    """
    tensors = (*model.parameters(), *model.buffers())
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)


def row_floor(case: Case, device: torch.device) -> int:
    """Return how many rows a forward has at least when the model's own floor has not been measured."""
    return case.batch_size if device.type == "cuda" else case.suite.row_floor or USUAL_FLOOR


def padded(classifier: Frozen, images: Tensor, row_floor: int) -> Tensor:
    """Return the (n, K) logits of n images from a forward of at least ``row_floor`` rows.

    Smaller batches are filled up with repeated images, because their logits are not bit-equal to those of large ones.
    """
    count = len(images)
    if count >= row_floor:
        return classifier(images)  # type: ignore[no-any-return]
    repeated = torch.arange(row_floor, device=images.device) % count
    return classifier(images[repeated])[:count]  # type: ignore[no-any-return]


def _buffers(module: nn.Module) -> dict[str, Tensor | None]:
    """Return a copy of a module's own buffers, which a TorchScript module holds in a read-only mapping."""
    return dict(module._buffers.items())


def _put_buffers(module: nn.Module, buffers: dict[str, Tensor | None]) -> None:
    """Give a module these buffers and no others."""
    if isinstance(module._buffers, dict):
        module._buffers.clear()
        module._buffers.update(buffers)
        return
    now = _buffers(module)  # a TorchScript module can neither lose nor gain a buffer
    for name, kept in buffers.items():
        if now.get(name) is not kept:
            setattr(module, name, kept)


def _check_tensors(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise RobustnessError(
                f"the model's {name} has no values yet: call the model once in its factory, as lazy modules need it"
            )
        if tensor.is_meta:
            raise RobustnessError(f"the model's {name} has no values, as it is on the meta device: load its weights")
        if tensor.is_inference() and isinstance(tensor, nn.Parameter):
            raise RobustnessError(
                f"the model's {name} was made under torch.inference_mode(), where nothing has gradients: build it "
                "outside of it"
            )


def _make_usable(modules: Iterable[nn.Module]) -> None:
    """Put copies in the place of buffers that were made in inference mode, with which nothing has gradients."""
    for module in modules:
        for name, buffer in _buffers(module).items():
            if buffer is not None and buffer.is_inference():
                setattr(module, name, buffer.clone())


def _checksum(parameter: Tensor) -> tuple[int, int]:
    """Return a checksum of all of a parameter's bits, and the address of its data.

    A step of training changes it, and no copy of the parameter has to be kept.
    """
    octets = parameter.detach().contiguous().view(-1).view(torch.uint8)
    if octets.storage_offset() % WORD:
        octets = octets.clone()
    whole = len(octets) // WORD * WORD
    words, rest = octets[:whole].view(torch.int64), octets[whole:]  # torch adds words 15 to 100 times as fast
    return int(words.sum()) + int(rest.sum(dtype=torch.int64)), parameter.data_ptr()


def _same(now: Tensor, before: Tensor) -> bool:
    """Return whether two tensors are equal after the change of device and dtype that moving the model made.

    NaNs count as equal.
    """
    before = before.to(now)
    return now.shape == before.shape and bool(((now == before) | ((now != now) & (before != before))).all())

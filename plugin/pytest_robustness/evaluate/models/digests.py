"""Digests of a model: of the values it holds and of the operations it does."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

ROWS = 2
#: Attributes in which torch keeps what it counts among a module's.
OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def state_digest(model: nn.Module) -> str:
    """Return the sha256 over names, types, shapes and values of a model's tensors.

    These are all parameters and buffers, and other tensors that are attributes of its modules.
    """
    hasher = sha256()
    for name, tensor in sorted({**_state(model), **_constants(model)}.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def code_digest(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> str | None:
    """Return the sha256 over the operators of a forward and backward, with their scalars and their tensors' shapes.

    A patched activation, a hook, a changed epsilon of batch norm or a ``torch.tensor`` of other literals changes it.
    A renamed variable does not change it, nor do the values of arrays that the code makes on its way and passes to
    ``from_numpy``. It is always computed on the CPU, so that it is the same wherever the model runs. The meta device is
    not used, because it makes torch import its compiler, which takes seconds. Operators are ATen's, so digests of
    different torch versions cannot be compared.

    Args:
        model: takes an image batch, returns a tensor.
        shape: shape of one image, channels first.

    Returns None when the model's operators cannot be followed: they depend on values, on chance or on earlier calls,
    or the model cannot run on a CPU.
    """
    images = torch.zeros(ROWS, *shape, dtype=dtype, requires_grad=True)
    state = _copies(model)
    before = {name: tensor.clone() for name, tensor in state.items()}
    digests = set()
    for _ in range(2):
        trace = _Trace()
        try:
            with torch.random.fork_rng(devices=[]), trace, torch.enable_grad():
                logits = functional_call(model, state, (images,), tie_weights=False)
                torch.autograd.grad(logits.sum(), images)
        except Exception:  # whatever the model's own code raises
            return None
        digests.add(None if trace.unpredictable else trace.hasher.hexdigest())
    if len(digests) > 1 or any(not torch.equal(state[name], value) for name, value in before.items()):
        return None
    return digests.pop()


def _copies(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of a model's tensors on the CPU, by a name for each place that has one.

    A module that is reached by several paths is named by one of them: with more, ``functional_call`` would leave its
    copies in the model.
    """
    return {
        f"{path}.{name}" if path else name: tensor.detach().cpu().clone()
        for path, module in model.named_modules()
        for named in (module.named_parameters, module.named_buffers)
        for name, tensor in named(recurse=False, remove_duplicate=False)
    }


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _constants(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors that are plain attributes of modules, which a state dict leaves out."""
    return {
        f"{path}.{name}{place}": tensor
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if name not in OF_EVERY_MODULE
        for place, tensor in _tensors(value)
    }


def _tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield a tensor, and those in lists, dicts and modules in them, which torch does not count among a module's."""
    if isinstance(value, Tensor):
        yield "", value
    elif isinstance(value, nn.Module):
        yield from ((f".{name}", tensor) for name, tensor in _state(value).items())
    elif isinstance(value, list | tuple | dict):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str | int):  # what is kept by a module or a tensor is what somebody remembers of it
                yield from ((f".{key}{place}", tensor) for place, tensor in _tensors(one))


class _Trace(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.hasher = sha256()
        self.unpredictable = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: otherwise torch imports its compiler, only to keep it away from here."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        described = (str(func), *_described(args), *_described(kwargs or {}), "->", *_described(result))
        self.hasher.update("\n".join(described).encode())
        if func is torch.ops.aten.lift_fresh.default:  # the code makes a tensor of literals
            self.hasher.update(args[0].contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        # the code turned a tensor into a number, or the operator draws random numbers
        self.unpredictable |= func is torch.ops.aten._local_scalar_dense.default
        self.unpredictable |= torch.Tag.nondeterministic_seeded in func.tags and not _drops_nothing(func, args, kwargs)
        return result


def _drops_nothing(func: Any, args: Any, kwargs: Any) -> bool:
    """Return whether this is a call of an attention operator without dropout, which draws no random numbers."""
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | (kwargs or {})
    return "scaled_dot_product" in str(func) and not given.get("dropout_p")


def _described(value: Any) -> Iterator[str]:
    """Yield the words that describe a value: a tensor by type and shape, all else by value."""
    if isinstance(value, Tensor):
        yield f"{value.dtype} {tuple(value.shape)}"
    elif isinstance(value, dict):
        for key in sorted(value):
            yield key
            yield from _described(value[key])
    elif isinstance(value, list | tuple):
        yield f"({len(value)}"
        for one in value:
            yield from _described(one)
    else:
        yield repr(value)

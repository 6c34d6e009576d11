"""Modules of ``torch.compile``: they are measured as the code they were made of."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from pytest_robustness.errors import RobustnessError

#: torch's compiler. When this module is not imported, nothing can have been compiled.
COMPILER = "torch._dynamo"


@contextmanager
def eager(model: nn.Module, name: str) -> Iterator[None]:
    """Run compiled code as the Python it was made of, for as long as the block lasts.

    Otherwise every new shape of a batch, and every change of which tensors need gradients, would be compiled, which
    takes minutes. Compiled code also differs from the code that was measured before. ``name`` is the model's name, for
    the warning that it runs eagerly.

    Raises RobustnessError when a model is compiled and torch is older than 2.6, which cannot run it eagerly.
    """
    if COMPILER not in sys.modules:
        yield
        return
    compiled = any(_is_compiled(module) for module in model.modules())
    if not hasattr(torch.compiler, "set_stance"):
        if compiled:
            raise RobustnessError(f"{name}: it is compiled: return the module itself, or take torch 2.6 or newer")
        yield
        return
    if compiled:
        warnings.warn(f"{name} is compiled: it runs eagerly while it is measured", stacklevel=2)
    with torch.compiler.set_stance("force_eager"):
        yield


def _is_compiled(module: nn.Module) -> bool:
    """Return whether a module was compiled in place, or is torch.compile's wrapper of another."""
    return getattr(module, "_compiled_call_impl", None) is not None or "_orig_mod" in module._modules

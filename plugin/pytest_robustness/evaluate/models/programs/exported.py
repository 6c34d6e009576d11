"""Files of ``torch.export``, ``.pt2``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.export import ExportedProgram

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.programs.base import (
    FixedBatch,
    Sealed,
    fingerprint_of,
    warn_of_fixed_batch,
)
from pytest_robustness.evaluate.runtime.errors import first_line
from pytest_robustness.mistaken import mistaken

#: Names of the arguments that tell an operator to behave as in training.
TRAINING = ("train", "training")


def load(path: Path) -> nn.Module:
    """Read an exported program. A program for batches of a fixed size runs in chunks of that size.

    Raises RobustnessError for a file that holds no program, for a program of a model in train mode, and for a program
    that does not take exactly one input.
    """
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch raises different types, by what is wrong
        raise RobustnessError(mistaken(path) or f"cannot be read by torch.export.load: {first_line(error)}") from None
    trained = next(_trained(program), None)
    if trained is not None:
        raise RobustnessError(
            f"it was exported in train mode ({trained} trains): call model.eval() before torch.export"
        )
    inputs = program.graph_signature.user_inputs
    if len(inputs) != 1:
        raise RobustnessError(f"it takes {len(inputs)} inputs, and should take one: a batch of images")
    model: nn.Module = program.module()
    size = _batch_size(program, inputs[0])
    if size is not None:
        warn_of_fixed_batch(path, size)
        model = FixedBatch(model, size)
    return Sealed(fingerprint_of(path), model)


def _trained(program: ExportedProgram) -> Iterator[str]:
    """Yield the operators of a program that behave as in training."""
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
        if any(given.get(name) is True for name in TRAINING):
            yield str(node.target)


def _batch_size(program: ExportedProgram, name: object) -> int | None:
    """Return the number of images the program is for. Returns None when it takes any number."""
    node = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == name)
    size = node.meta["val"].shape[0]
    return size if isinstance(size, int) else None

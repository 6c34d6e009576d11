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

#: Where operators that behave otherwise in training are told that they train.
TRAINING = ("train", "training")


def load(path: Path) -> nn.Module:
    """Read an exported program; one for a fixed size of batch runs in chunks of it.

    Raises RobustnessError for a file that holds none, for one of a model in train mode, and for one of several inputs.
    """
    try:
        program = torch.export.load(path)
    except Exception as error:  # torch's, by what is wrong
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
    """The operators of a program that behave as in training."""
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
        if any(given.get(name) is True for name in TRAINING):
            yield str(node.target)


def _batch_size(program: ExportedProgram, name: object) -> int | None:
    """The number of images the program is for; None where any will do."""
    node = next(node for node in program.graph.nodes if node.op == "placeholder" and node.name == name)
    size = node.meta["val"].shape[0]
    return size if isinstance(size, int) else None

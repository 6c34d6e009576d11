"""ONNX files: onnx2torch reads them as modules of torch, onnxruntime runs them as black boxes."""

from __future__ import annotations

import re
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.models.programs.base import (
    FixedBatch,
    Sealed,
    fingerprint_of,
    warn_of_fixed_batch,
)
from pytest_robustness.evaluate.runtime.errors import first_line
from pytest_robustness.mistaken import mistaken

#: The sides that are tried where a file does not say its images'.
SIDES = (224, 32, 28, 64, 299, 384, 8)
#: What an input may be of.
KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
#: How far the module's answers may differ from onnxruntime's, as a share of the range of the answers.
AGREEMENT = 1e-3
#: How onnx2torch's message names an operator that it does not have.
MISSING = re.compile(r"operation_type='(\w+)'.*version=(\d+)")
EXPORT = "torch.onnx.export(model, images, file, dynamo=False, opset_version=17) writes files that can be read"


def load(path: Path) -> nn.Module:
    """Read an ONNX file as a module that has gradients and agrees with onnxruntime.

    Raises RobustnessError when the file or one of its operators cannot be read, and when the answers differ.
    """
    session = _session(path)
    model = _converted(path)
    size = _batch_size(session)
    images, expected = _tried(session)
    images = images.to(next((one.dtype for one in model.parameters()), torch.float32))
    if size is not None:
        try:
            several = torch.cat([images] * 2)
            with torch.no_grad():
                agrees = _difference(model(several)[: len(images)], expected) <= AGREEMENT
        except Exception:  # the program takes batches of this size only
            agrees = False
        if not agrees:
            warn_of_fixed_batch(path, size)
            model = FixedBatch(model, size)
    with torch.no_grad():
        difference = _difference(model(images), expected)
    if difference > AGREEMENT:
        raise RobustnessError(
            f"as a module of torch it answers otherwise than by onnxruntime, by {difference:.1e} of the range of its "
            f"answers: {EXPORT}; or say black_box = true"
        )
    return Sealed(_fingerprint(path), model)


def load_black_box(path: Path) -> nn.Module:
    """Read an ONNX file as a model that gives answers and no gradients.

    Raises RobustnessError when it cannot be read.
    """
    session = _session(path)
    size = _batch_size(session)
    model: nn.Module = _Session(session)
    if size is not None:
        warn_of_fixed_batch(path, size)
        model = FixedBatch(model, size)
    return Sealed(_fingerprint(path), model)


def _fingerprint(path: Path) -> str:
    """Return the digest of a file, and of the files beside it that have its weights."""
    model = _needed("onnx").load(str(path), load_external_data=False)
    beside = {entry.value for one in model.graph.initializer for entry in one.external_data if entry.key == "location"}
    return " ".join(fingerprint_of(file) for file in (path, *(path.parent / name for name in sorted(beside))))


class _Session(nn.Module):
    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session

    def forward(self, inputs: Tensor) -> Tensor:
        return _asked(self.session, inputs.detach().cpu()).to(inputs.device)


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise RobustnessError(f"a file of ONNX needs {name}: pip install 'pytest-robustness[onnx]' ({error})") from None


def _session(path: Path) -> Any:
    runtime = _needed("onnxruntime")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises different types, by what is wrong
        raise RobustnessError(mistaken(path) or f"cannot be read by onnxruntime: {first_line(error)}") from None
    if len(session.get_inputs()) != 1 or not session.get_inputs()[0].shape:
        raise RobustnessError(f"it takes {len(session.get_inputs())} inputs, and should take one: a batch of images")
    return session


def _converted(path: Path) -> nn.Module:
    """Return the file as a module. When it cannot be converted as it is, it is simplified first."""
    convert = _needed("onnx2torch").convert
    try:
        return _frozen(convert(str(path)))
    except Exception as error:  # onnx and onnx2torch raise different types, by what is wrong
        problem = error
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder, "folded.onnx")
        try:
            _fold(path, folded)
            return _frozen(convert(str(folded)))
        except Exception:  # as above
            found = MISSING.search(str(problem))
    what = f"no operator {found[1]} of version {found[2]}" if found else first_line(problem)
    raise RobustnessError(f"onnx2torch has {what}: {EXPORT}; or say black_box = true") from None


def _frozen(model: nn.Module) -> nn.Module:
    return model.eval()


def _fold(path: Path, folded: Path) -> None:
    """Write a copy of the file in which what follows from constants alone is computed, and operators have names.

    Names are optional in a file; onnx2torch takes operators without one, or of one name, for the same.
    """
    runtime = _needed("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    onnx = _needed("onnx")
    model = onnx.load(str(folded))
    for number, node in enumerate(model.graph.node):
        node.name = f"operator_{number}"
    onnx.save(model, str(folded))


def _batch_size(session: Any) -> int | None:
    """Return the number of images the file is for. Returns None when it takes any number."""
    size = session.get_inputs()[0].shape[0]
    return size if isinstance(size, int) else None


def _tried(session: Any) -> tuple[Tensor, Tensor]:
    """Return a batch of random values that the file takes, and what onnxruntime answers.

    Raises RobustnessError where it takes none of the usual sizes.
    """
    given = session.get_inputs()[0]
    if given.type not in KINDS or len(given.shape) != 4:
        raise RobustnessError(f"its input is a {given.type} of {given.shape}, and should be floats of (N, C, H, W)")
    generator, problem = torch.Generator().manual_seed(0), ""
    for side in SIDES:
        sides = [size if isinstance(size, int) else side for size in given.shape[1:]]
        images = torch.randn(_batch_size(session) or 2, *sides, generator=generator)
        try:
            return images, _asked(session, images)
        except Exception as error:  # of onnxruntime: an image of another size
            problem = first_line(error)
    raise RobustnessError(f"onnxruntime runs it on no image of {', '.join(map(str, SIDES))} pixels: {problem}")


def _asked(session: Any, images: Tensor) -> Tensor:
    """Return onnxruntime's answer: the first output."""
    given = session.get_inputs()[0]
    answer = session.run(None, {given.name: images.float().numpy().astype(KINDS[given.type])})[0]
    return torch.from_numpy(np.asarray(answer, np.float32))


def _difference(answer: Any, expected: Tensor) -> float:
    """Return how far an answer differs from the expected one, as a share of the expected one's range."""
    answer = answer[0] if isinstance(answer, list | tuple) else answer
    spread = float(expected.amax() - expected.amin()) or 1.0
    return float((answer.float() - expected).abs().max()) / spread

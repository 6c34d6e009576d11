"""The table of bad input, continued: weights, models and attacks."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.cli import conftest
from tests.cli.bad_input import FAILED, OK, POINTER, USAGE, Row, halve, suite


def model(factory: str, said: str, *, exit: pytest.ExitCode = FAILED, passed: int = 2) -> Row:  # noqa: A002
    """Of the model ``small``; ``large`` has nothing to do with it."""
    return Row(lambda project: project.edit("tiny.toml", "tinyzoo:small", factory), said, exit, passed)


def keys(text: str, said: str) -> Row:
    """Of more keys of the model ``small``."""
    return Row(lambda project: project.edit("tiny.toml", "[models.small]", f"[models.small]\n{text}"), said, FAILED, 2)


def suite_keys(text: str, said: str) -> Row:
    """The same, where the suite cannot be read with them."""
    return suite("[models.small]", f"[models.small]\n{text}", said)


#: What is said of another attack than the baseline's, after it was measured.
ACCEPTED = "small/fgsm: not comparable, re-record: the baseline's protocol differs in attack: "


def attack(name: str, said: str, exit: pytest.ExitCode = FAILED, *, passed: int = 2) -> Row:  # noqa: A002
    """Of one's own, instead of FGSM; PGD has nothing to do with it."""
    return Row(
        lambda project: project.edit("tiny.toml", 'attack = "FGSM"', f'attack = "{name}"\nnorm = "inf"'),
        said,
        exit,
        passed,
    )


def attack_module(text: str, said: str) -> Row:
    """Of one's own, in a module that cannot be imported."""

    def broken(project: conftest.Project) -> None:
        (project.path / "unsound.py").write_text(text)
        project.edit("tiny.toml", 'attack = "FGSM"', 'attack = "unsound:Attack"\nnorm = "inf"')

    return Row(broken, said, FAILED, 2)


def weights(name: str, write: Callable[[Any], object], said: str, exit: pytest.ExitCode = FAILED) -> Row:  # noqa: A002
    def broken(project: conftest.Project) -> None:
        write(project.path / name)
        project.edit("tiny.toml", 'source = "tinyzoo:small"', f'source = "tinyzoo:small"\nweights = "{name}"')

    return Row(broken, f"tiny.toml: models.small.weights: {said}", exit, 2 if exit == FAILED else 0)


def weights_file(name: str, write: Callable[[Any], object], said: str) -> Row:
    """The same, by what is said of the file."""
    row = weights(name, write, "")
    return Row(row.broken, f"/{name}: {said}", FAILED, 2)


def weights_taken(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Row:
    """The model's own, as trainers write them: taken."""

    def broken(project: conftest.Project) -> None:
        own = runpy.run_path(str(conftest.TINYZOO))["build"]("small").state_dict()
        torch.save(change(dict(own)), project.path / "a.pth")
        project.edit("tiny.toml", 'source = "tinyzoo:small"', 'source = "tinyzoo:small"\nweights = "a.pth"')

    return Row(broken, "", OK, 4)


CONFLICT = b"{\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> other\n}\n"


def _state() -> dict[str, torch.Tensor]:
    return {
        "blocks.weight": torch.ones(6, 3, 2, 2), "blocks.bias": torch.zeros(6), "head.weight": torch.ones(4, 96),
        "head.bias": torch.zeros(4), "uneven.weight": torch.ones(4, 48), "leak": torch.tensor(0.0),
    }  # fmt: skip


class Evil:
    def __init__(self, trace: Any) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self.trace).touch, (self.trace,)


EARLY = "cannot be read: it ends too early, or is damaged: "
BY_TORCH, BY_SAFE = (
    f"cannot be read: it was written by {writer}: rename it" for writer in ("torch.save", "safetensors")
)
WEIGHTS = {
    "missing weights": weights("a.pth", lambda path: None, "no such file: ", USAGE),
    "empty weights": weights("a.safetensors", lambda path: path.touch(), ""),
    "truncated weights": weights_file("a.pth", lambda path: (torch.save(_state(), path), halve(path)), EARLY),
    "truncated safetensors": weights_file(
        "a.safetensors", lambda path: (save_file(_state(), path), halve(path)), EARLY
    ),
    "safetensors named .pth": weights_file("a.pth", lambda path: save_file(_state(), path), BY_SAFE),
    "weights named .safetensors": weights_file("a.safetensors", lambda path: torch.save(_state(), path), BY_TORCH),
    "weights of another architecture": weights("a.safetensors", lambda path: save_file({"x": torch.ones(1)}, path), ""),
    "pickled code": weights("a.pth", lambda path: torch.save({"a": Evil(path.with_name("ran"))}, path), ""),
    "weights of NaN": weights(
        "a.safetensors", lambda path: save_file(_state() | {"head.bias": torch.full((4,), torch.nan)}, path), ""
    ),
    **{
        f"weights that are {what}": weights_file(
            name, lambda path, data=data: path.write_bytes(data), f"cannot be read: it {said}"
        )
        for what, name, data, said in [
            ("a Git LFS pointer", "a.safetensors", POINTER, "is a Git LFS pointer"),
            ("a pointer to .pth", "a.pth", POINTER, "is a Git LFS pointer, and not the file"),
            ("a page", "a.pth", b"<!DOCTYPE html><html><body>404</body>", "is an HTML page, and"),
            ("in conflict", "a.pth", CONFLICT, "has the marks of a merge conflict: take one"),
            ("nothing at all", "a.pth", b"", "is empty"),
            ("an answer", "a.pth", b'{"error": 1}', "is a text file, and begins with '{\"error\": 1}': "),
        ]
    },
    "a TorchScript program for weights": weights_file(
        "a.pth",
        lambda path: torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path),
        "cannot be read: it is a TorchScript",
    ),
    "a whole model for weights": weights_file(
        "a.pth", lambda path: torch.save(torch.nn.Linear(2, 2), path), "cannot be read: it holds pickled objects"
    ),
    "whole numbers for weights": weights_file(
        "a.safetensors",
        lambda path: save_file({name: value.int() for name, value in _state().items()}, path),
        "blocks.bias: torch.int32, where the model has torch.float32: of a quantised model",
    ),
    "a checkpoint without weights": weights_file(
        "a.pth",
        lambda path: torch.save({"epoch": 3, "best": 0.9}, path),
        "not a state dict: it has the entries epoch, best",
    ),
    "a checkpoint whose model is a tensor": weights_file(
        "a.pth",
        lambda path: torch.save({"model": torch.ones(3), "epoch": 3}, path),
        "not a state dict: it has the entries model, epoch",
    ),
    "a checkpoint with two models": weights_file(
        "a.pth",
        lambda path: torch.save({"model": _state(), "model_ema": _state(), "epoch": 3}, path),
        "not a state dict: it has the entries model, model_ema, epoch: of model and model_ema one is meant",
    ),
    "weights in a checkpoint": weights_taken(lambda state: {"state_dict": state, "epoch": 3}),
    "weights of data parallel training": weights_taken(
        lambda state: {f"module.{name}": one for name, one in state.items()}
    ),
    "weights of a compiled model": weights_taken(
        lambda state: {f"_orig_mod.{name}": one for name, one in state.items()}
    ),
    "weights of a trainer's checkpoint": weights_taken(
        lambda state: {"state_dict": {f"model.{name}": one for name, one in state.items()}, "global_step": 9}
    ),
    "a list for weights": weights("a.pth", lambda path: torch.save([1], path), ""),
}

MODELS = {
    "no such module": model("nowhere:small", "models.small.source: no module 'nowhere'"),
    "no such factory": model("tinyzoo:smal", "models.small.source: no 'smal' in tinyzoo"),
    "no factory": model("tinyzoo:time", "models.small.source: time cannot be called"),
    "a module that cannot be imported": Row(
        lambda project: (
            (project.path / "halved.py").write_text("def small(:\n"),
            project.edit("tiny.toml", "tinyzoo:small", "halved:small"),
        ),
        "models.small.source: halved raised SyntaxError: ",
        FAILED,
        2,
    ),
    "a factory that raises": model(
        "badzoo:factory_raises", "source: factory_raises raised OSError: no such registry (badzoo.py:"
    ),
    "a factory of nothing": model("badzoo:nothing", "source: nothing returned a NoneType; it should be a function"),
    "a model too big for memory": model("badzoo:factory_exhausts", "small/fgsm does not fit into memory"),
    "a forward too big for memory": model("badzoo:huge_forward", "small/fgsm does not fit into memory in batches of "),
    "a tuple of outputs": model("badzoo:tuple_output", "small/fgsm: the model returned a tuple of 2 for 20 "),
    "a dict of outputs": model(
        "badzoo:dict_output",
        "small/fgsm: the model returned a dict with logits for 20 images, not (20, K) logits; ",
    ),
    "logits of NaN": model("badzoo:nan_logits", "models.small: the model's logits are not finite"),
    "a vector of logits": model("badzoo:flat_logits", "small/fgsm: the model returned a tensor of (20,) for 20 images"),
    "one logit": model("badzoo:one_logit", '(20, K) logits: say head = "sigmoid" in the suite'),
    "another output than there is": keys("output = 1", "small/fgsm: the model's answer has no output 1: it is a "),
    "an argument the factory does not know": keys(
        "arguments = { width = 3 }", "models.small.source: small raised TypeError: small() got an unexpected keyword"
    ),
    "a range that descends": suite_keys("range = [255, 0]", "models.small.range: should be [least, most], "),
    "a mean of another range": suite_keys(
        "normalisation = { mean = [104, 117, 123] }",
        "models.small.normalisation: mean: [104, 117, 123] is beyond the range of a pixel, which is [0, 1]: ",
    ),
    "a range beside another model's": suite_keys(
        'range = [0, 255]\nlike = "timm:resnet18"', "models.small: like is of pixels in [0, 1]: with a range, give norm"
    ),
    "a mode of photographs beside a file": suite_keys(
        'mode = "L"', "models.small.mode is of photographs in a folder: a file's images are as they are"
    ),
    "a size of photographs beside a file": suite_keys(
        "preprocessing = { resize = 99, crop = 7 }",
        "models.small.preprocessing is of photographs in a folder: a file's images are as they are",
    ),
    "a normalisation of another range": suite_keys(
        "range = [0, 255]\nnormalisation = { mean = [0.5], std = [0.25] }",
        "models.small.normalisation: it is in units of [0, 1], and the model's range is [0, 255]",
    ),
    "an order of channels": suite_keys('channels = "GBR"', "models.small.channels: input should be 'RGB' or 'BGR'"),
    "too few classes": model("badzoo:two_classes", "models.small: the model has 2 classes, but an image's label is"),
    "logits of half precision": model("badzoo:half_logits", "small/fgsm: the model returned logits of torch.float16"),
    "whole logits": model("badzoo:whole_logits", "small/fgsm: the model returned logits of torch.int64"),
    "a forward that raises": model(
        "badzoo:raises", "small/fgsm: the model raised ValueError: no image pleases me (badzoo.py:"
    ),
    "a forward for other images": model("badzoo:wrong_shape", "small/fgsm: the model raised RuntimeError: mat1 and "),
    "another device": model(
        "badzoo:other_device", "small/fgsm: the model's body.leak has no values, as it is on the meta "
    ),
    "a forward that trains": model("badzoo:trains", "small/fgsm: the model changed its parameter body.head.weight"),
    "a forward that remembers": model("badzoo:remembers", "small/fgsm: the model changed its buffer calls"),
    "an attack that raises": Row(
        lambda project: project.edit("tiny.toml", 'attack = "FGSM"', 'attack = "badzoo:Raises"\nnorm = "inf"'),
        "small/fgsm: the attack badzoo:Raises raised KeyError: 'no such attack step' (badzoo.py:",
        FAILED,
        2,
    ),
    "an attack without its parameter": Row(
        lambda project: project.edit("tiny.toml", 'attack = "FGSM"\neps = 0.01', 'attack = "badzoo:Raises"'),
        "small/fgsm: ",
        FAILED,
        2,
    ),
    "an attack that has a radius and no ball": suite(
        'attack = "FGSM"',
        'attack = "badzoo:Raises"',
        "attacks.fgsm.norm: missing: the attack has an eps; say which ball of that radius its answers stay in: norm = ",
    ),
    **{
        f"an attack that answers {what}": attack(f"badzoo:{name}", f"small/fgsm: the attack returned {said}")
        for what, name, said in [
            ("nothing", "Nothing", "NoneType, not images of (20, 3, 8, 8)"),
            ("arrays", "Arrays", "ndarray, not images of (20, 3, 8, 8)"),
            ("sparse images", "Sparse", "a sparse_coo tensor, not images of (20, 3, 8, 8)"),
            ("complex images", "Complex", "images of torch.complex64, not of torch.float32"),
            ("whole numbers", "Whole", "images of torch.int64, not of torch.float32"),
            ("images without data", "Meta", "a meta tensor, not images of (20, 3, 8, 8)"),
            ("fewer images", "Fewer", "(19, 3, 8, 8), not images of (20, 3, 8, 8)"),
            ("grey images", "Grey", "(20, 1, 8, 8), not images of (20, 3, 8, 8)"),
            ("images out of the box", "Unbounded", "images in [0.5, 1.5], 0.5 outside [0, 1]"),
            ("no numbers", "NotFinite", "images that are not finite"),
        ]
    },
    "an attack that answers from afar": attack("badzoo:Far", "small/fgsm: the attack left its Linf ball: 0.3 is 0.29 "),
    "an attack that is beyond the box by rounding": attack("badzoo:Rounded", ACCEPTED),
    "an attack that answers in double precision": attack("badzoo:Double", ACCEPTED),
    "an attack that ends the process": attack(
        "badzoo:Exits", "small/fgsm: the code of the model or of the attack ended the process: 0"
    ),
    "an attack that wants names": attack("badzoo:Keywords", "small/fgsm: the attack badzoo:Keywords raised TypeError"),
    "an attack that cannot be called": attack(
        "badzoo:no_attack", "tiny.toml: attacks.fgsm.eps: not a parameter of badzoo:no_attack ()"
    ),
    "an attack without names": attack(
        "badzoo:Positional", "small/fgsm: the attack badzoo:Positional raised TypeError: Positional.__init__() got some"
    ),
    "an attack that nobody wrote": attack("badzoo:Nobody", "tiny.toml: attacks.fgsm.attack: no 'Nobody' in badzoo"),
    "an attack whose module divides by zero": attack_module(
        "1 / 0\n", "attacks.fgsm.attack: importing unsound raised ZeroDivisionError: division by zero (unsound.py:1"
    ),
    "an attack whose module is no Python": attack_module(
        "def Attack(:\n", "attacks.fgsm.attack: importing unsound raised SyntaxError: "
    ),
    "an attack whose module needs another": attack_module(
        "import nowhere\n", "attacks.fgsm.attack: cannot import unsound:Attack: No module named 'nowhere'"
    ),
    "an attack whose module ends the process": attack_module(
        "raise SystemExit(0)\n", "small/fgsm: the code of the model or of the attack ended the process: 0"
    ),
    "train mode": model("badzoo:train_mode", "", exit=OK, passed=4),
    "a frozen batch norm": model("badzoo:frozen_norm", "", exit=OK, passed=4),
    "double precision": model("badzoo:double", "", exit=OK, passed=4),
    "in place on its input": model("badzoo:in_place", "", exit=OK, passed=4),
}

ROWS: dict[str, Row] = WEIGHTS | MODELS

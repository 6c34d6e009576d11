"""The table of bad input: what is broken, and what is said of it."""

from __future__ import annotations

import io
import json
import runpy
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.cli import conftest

Break = Callable[["conftest.Project"], object]
OK, FAILED, USAGE, NOTHING = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.USAGE_ERROR,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


@dataclass(frozen=True)
class Row:
    """What is broken; what the one line says; with what status pytest ends; how many of the four cases still pass."""

    broken: Break
    said: str
    exit: pytest.ExitCode = FAILED
    passed: int = 0
    arguments: tuple[str, ...] = ()


def suite(old: str, new: str, said: str) -> Row:
    return Row(lambda project: project.edit("tiny.toml", old, new), f"tiny.toml: {said}", USAGE)


def whole(text: str | bytes, said: str) -> Row:
    data = text.encode() if isinstance(text, str) else text
    return Row(lambda project: (project.path / "tiny.toml").write_bytes(data), f"tiny.toml: {said}", USAGE)


def added(text: str, said: str) -> Row:
    return suite("[models.small]", f"{text}\n\n[models.small]", said)


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


#: What git puts in a file's place.
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4096\n"
CONFLICT = b"{\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> other\n}\n"


def images(change: Callable[[dict[str, Any]], object] | bytes, said: str, *, passed: int = 0) -> Row:
    """Of the arrays in the image set, or the whole file."""

    def broken(project: conftest.Project) -> None:
        file = project.path / "images.npz"
        if isinstance(change, bytes):
            file.write_bytes(change)
            return
        with np.load(file) as arrays:
            data = dict(arrays)
        change(data)
        np.savez(file, **data)

    return Row(broken, said, FAILED, passed)


def baseline(write: Callable[[Any], object], said: str, *arguments: str, passed: int = 3) -> Row:
    """Of the case small/fgsm."""
    return Row(lambda project: write(project.baseline("small/fgsm")), said, FAILED, passed, arguments)


def listed(write: Callable[[Any], object], said: str, *arguments: str) -> Row:
    """Of the list of the images that the baselines are of, which is needed because another image is attacked, too."""

    def broken(project: conftest.Project) -> None:
        (name,) = project.lists()
        write(project.baselines / name)
        project.grow()

    return Row(broken, said, FAILED, 0, arguments)


def command(said: str, *arguments: str, exit: pytest.ExitCode = USAGE) -> Row:  # noqa: A002
    return Row(lambda project: None, said, exit, 0, arguments)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], object]:
    def write(path: Any) -> None:
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return write


def elsewhere(path: Any) -> None:
    """The file moves out of the tree and leaves a link behind."""
    outside = path.parents[3] / "outside.json"
    path.rename(outside)
    path.symlink_to(outside)


def folder_elsewhere(path: Any) -> None:
    outside = path.parents[3] / "outside"
    path.parent.rename(outside)
    path.parent.symlink_to(outside)


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


def _pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, images=np.array([{"a": 1}], dtype=object), labels=np.zeros(1, int), ids=np.zeros(1, int))
    return file.getvalue()


def _bomb() -> bytes:
    """A header that promises more than any memory holds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999, 9999, 9999, 3), }"
        header += b" " * (117 - len(header)) + b"\n"
        for name in ("images", "labels", "ids"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return file.getvalue()


VARIANT = '[[variants]]\nbase = "{}"\nupdate = "{}"'

SUITES = {
    "unknown key": suite("batch_size = 20", "batch_sise = 20", "batch_sise: unknown key (known: "),
    "wrong type": suite("batch_size = 20", 'batch_size = "20"', "batch_size: "),
    "batch size 0": suite("batch_size = 20", "batch_size = 0", "batch_size: "),
    "negative batch size": suite("batch_size = 20", "batch_size = -1", "batch_size: "),
    "negative seed": suite("batch_size = 20", "seed = -1", "seed: "),
    "alpha of 2": suite("batch_size = 20", "alpha = 2.0", "alpha: "),
    "unknown policy": suite("batch_size = 20", 'policy = "lenient"', "policy: "),
    "empty file": whole("", "images: field required"),
    "a byte order mark": Row(
        lambda project: (project.path / "tiny.toml").write_bytes(
            b"\xef\xbb\xbf" + (project.path / "tiny.toml").read_bytes()
        ),
        "",
        OK,
        4,
    ),
    "two bytes a letter": whole("alpha = 0.05".encode("utf-16"), "not TOML: it is UTF-16 text: save it as UTF-8"),
    "a page for a suite": whole(b"<html>404</html>", "not TOML: it is an HTML page, and not the file itself"),
    "no text": whole(b"\xff\xfe\x00", "not TOML: "),
    "no models": whole('[images]\nfile = "images.npz"\n[models]\n[attacks.a]\nattack = "FGSM"', "models: "),
    "no attacks": whole('[images]\nfile = "images.npz"\n[models.a]\nsource = "a:b"\n[attacks]', "attacks: "),
    "a model twice": suite("[models.large]", "[models.small]", "not TOML: "),
    "a key twice": suite("batch_size = 20", "batch_size = 20\nbatch_size = 20", "not TOML: "),
    "cyclic variants": added(
        f"{VARIANT.format('small', 'large')}\n{VARIANT.format('large', 'small')}",
        "variants: updates go round in a circle: ",
    ),
    "a variant twice": added("\n".join([VARIANT.format("small", "large")] * 2), "variants: a variant is named twice"),
    "a variant of itself": added(VARIANT.format("small", "small"), "variants: small is no variant of itself"),
    "a variant of nobody": added(VARIANT.format("small", "vast"), "variants: no model 'vast' in this suite"),
    "a group of nobody": added('[groups]\ng = ["vast"]', "groups.g: no model 'vast' in this suite"),
    "an empty group": added("[groups]\ng = []", "groups.g: "),
    "no attack's name": suite('attack = "FGSM"\n', "", "attacks.fgsm.attack: "),
    "unknown attack": suite('"FGSM"', '"FSGM"', "attacks.fgsm.attack: unknown attack 'FSGM' (known: "),
    "unknown parameter": suite("steps = 3", "step = 3", "attacks.pgd.step: unknown key (parameters: "),
    "negative epsilon": suite('"FGSM"\neps = 0.01', '"FGSM"\neps = -0.01', "attacks.fgsm.eps: -0.01 is not a number"),
    "infinite epsilon": suite('"FGSM"\neps = 0.01', '"FGSM"\neps = inf', "attacks.fgsm.eps: "),
    "half a step": suite("steps = 3", "steps = 2.5", "attacks.pgd.steps: 2.5 is not a whole number"),
    "a limit of 2": suite("steps = 3", "steps = 3\nmax_success_rate = 2.0", "attacks.pgd.max_success_rate: "),
    "a tolerance of nan": suite("time = 1e6", "time = nan", "tolerances.time: "),
    "a deviation of 0": added("[normalisation]\nstd = [0.0]", "normalisation.std.0: "),
    "a path for a name": suite("[models.small]", '[models."../small"]', "models.../small: "),
    "a line end in a name": suite("[models.small]", '[models."small\\n"]', "models.small"),
    "a line end at the start": suite("[models.small]", '[models."\\nsmall"]', "models."),
    "no image file": suite('"images.npz"', '"pictures.npz"', "images.file: no such file: "),
    "a folder of images": suite('"images.npz"', '"."', "images.file: no such file: "),
    "code for a source": suite("tinyzoo:small", "tinyzoo:small()", "models.small.source: "),
}

WEIGHTS = {
    "missing weights": weights("a.pth", lambda path: None, "no such file: ", USAGE),
    "empty weights": weights("a.safetensors", lambda path: path.touch(), ""),
    "truncated weights": weights("a.pth", lambda path: (torch.save(_state(), path), _halve(path)), ""),
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
            (
                "a page",
                "a.pth",
                b"<!DOCTYPE html><html><body>404</body>",
                "is an HTML page, and",
            ),
            ("in conflict", "a.pth", CONFLICT, "has the marks of a merge conflict: take one"),
            ("nothing at all", "a.pth", b"", "is empty"),
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


def _halve(path: Any) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


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
    "another device": model("badzoo:other_device", "small/fgsm: moving the model to cpu raised NotImplementedError: "),
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

FEW = slice(None, 10)
IMAGES = {
    "no image": images(lambda data: data.update({name: data[name][:0] for name in data}), "images.npz: images: there "),
    "corrupt images": images(b"PK\x03\x04 but no archive", "images.npz: not an image set: "),
    "images that are a Git LFS pointer": images(
        POINTER, "images.npz: not an image set: it is a Git LFS pointer, and not"
    ),
    "empty images": images(b"", "images.npz: not an image set: "),
    "images that promise too much": images(_bomb(), "images.npz: the images do not fit into memory"),
    "pickled images": images(_pickled(), "images.npz: not an image set: "),
    "images with alpha": images(
        lambda data: data.update(images=np.concatenate([data["images"], data["images"][..., :1]], 3)),
        "images.npz: images: uint8 of (40, 8, 8, 4), not uint8 of (N, H, W, 1 or 3)",
    ),
    "images of 16 bit": images(
        lambda data: data.update(images=data["images"].astype(np.uint16)), "images.npz: images: uint16 of (40, 8, 8, 3)"
    ),
    "images of another size": images(
        lambda data: data.update(images=data["images"][:, :6]), "small/fgsm: the model raised RuntimeError: "
    ),
    "a label too many": images(lambda data: data["labels"].__setitem__(3, 4), "models.small: the model has 4 classes"),
    "a negative label": images(lambda data: data["labels"].__setitem__(3, -1), "images.npz: labels: -1 is negative"),
    "labels of another number": images(lambda data: data.update(labels=data["labels"][FEW]), "images.npz: labels: "),
    "labels that are not whole": images(lambda data: data.update(labels=data["labels"] / 2), "images.npz: labels: "),
    "an image twice": images(lambda data: data["ids"].__setitem__(1, data["ids"][0]), "is there 2 times, and should "),
    "no labels": images(lambda data: data.pop("labels"), "images.npz: not an image set: "),
    "images that changed": images(
        lambda data: data["images"].__setitem__((0, 0, 0, 0), 255 - data["images"][0, 0, 0, 0]),
        "small/fgsm: not comparable: 1 image of the baseline is missing (",
    ),
    "images of one class": images(
        lambda data: data.update({name: data[name][data["labels"] == data["labels"][0]] for name in data}),
        " images of the baseline are missing (",
    ),
}

#: Of the list that baselines refer to, while an image more is attacked.
LISTS = {
    "a missing list of images": listed(lambda path: path.unlink(), ": missing, the list of the images that baselines"),
    "a truncated list of images": listed(lambda path: _halve(path), ": not JSON: "),
    "a list of images that is no text": listed(lambda path: path.write_bytes(b"\xff"), ": cannot be read: "),
    "a list of images in conflict": listed(
        lambda path: path.write_text("<<<<<<< HEAD\n" + path.read_text()), ": it has the marks of a merge conflict: "
    ),
    "an edited list of images": listed(
        edited(lambda data: data["labels"].reverse()), ": keys and labels are not those of its name"
    ),
    "a list of images that is a folder": listed(lambda path: (path.unlink(), path.mkdir()), ": cannot be read: "),
    "a list of images out of the tree": listed(elsewhere, ": leads out of "),
    "a damaged list of images, when recording": listed(lambda path: _halve(path), ": not JSON: ", "--update-baselines"),
}

BASELINES = {
    "no baseline": baseline(lambda path: path.unlink(), "small/fgsm: no baseline; record it: pytest "),
    "an empty baseline": baseline(lambda path: path.write_text(""), "small/fgsm.json: it is empty"),
    "a truncated baseline": baseline(lambda path: _halve(path), "small/fgsm.json: not JSON: "),
    "a baseline that is no text": baseline(lambda path: path.write_bytes(b"\xff"), "small/fgsm.json: cannot be read: "),
    "a baseline in conflict": baseline(
        lambda path: path.write_text("<<<<<<< HEAD\n" + path.read_text()),
        "small/fgsm.json: it has the marks of a merge conflict: take one side, by git checkout --ours or --theirs, or",
    ),
    "a newer schema": baseline(edited(lambda data: data.update(schema=3)), "small/fgsm.json: schema: 3 is not 2"),
    "another protocol": baseline(
        edited(lambda data: data["protocol"].update(seed=7)), "re-record: the baseline's protocol differs in seed: 7"
    ),
    "an edited baseline": baseline(
        edited(lambda data: data["aggregates"].update(success_rate=0.9)), "small/fgsm.json: evidence and aggregates"
    ),
    "another case's baseline": baseline(
        lambda path: path.write_text(path.with_name("pgd.json").read_text()),
        "this is the baseline of small/pgd",
    ),
    "a folder for a baseline": baseline(lambda path: (path.unlink(), path.mkdir()), "fgsm.json: cannot be read: "),
    "a link to itself": baseline(
        lambda path: (path.unlink(), path.symlink_to(path.name)), "small/fgsm.json: cannot be read: "
    ),
    "a link out of the tree": baseline(elsewhere, "small/fgsm.json: leads out of "),
    "a folder linked out of the tree": baseline(folder_elsewhere, "small/fgsm.json: leads out of ", passed=2),
    "a link, when recording": baseline(elsewhere, "small/fgsm.json: leads out of ", "--update-baselines"),
    "a damaged one, when recording": baseline(lambda path: _halve(path), "fgsm.json: not JSON: ", "--update-baselines"),
}

COMMANDS = {
    "unknown case": command("not found: ", "test_robustness.py::test_robustness[small/none]"),
    "unknown file": command("file or directory not found: none.py", "none.py"),
    "no case selected": command("4 deselected", "-k", "none", exit=NOTHING),
    "no case selected, recording": command("4 deselected", "-k", "none", "--update-baselines", exit=NOTHING),
    "unknown marker": command("", "-m", "none and", exit=USAGE),
    "half a candidate": command("--candidate small: should be MODEL=OTHER", "--candidate", "small"),
    "candidate for nobody": command("--candidate vast=small: no model 'vast' in ", "--candidate", "vast=small"),
    "candidate that is nobody": command("--candidate small=vast: 'vast' is no model of ", "--candidate", "small=vast"),
    "candidate without weights": command("no such file: ", "--candidate", "small=tinyzoo:large@none.pth"),
    "candidate that records": command(
        "--candidate cannot be combined with --update-baselines, ", "--candidate", "small=large", "--update-baselines"
    ),
    "two ways to record": command("give one of them", "--update-baselines", "--update-baselines-missing"),
    "unknown suite": command("--robustness-suite: no none.toml in ", "--robustness-suite", "none"),
    "unknown suite's file": command("none.toml: cannot be read: ", "--robustness-suite", "none.toml"),
}

ROWS: dict[str, Row] = {**SUITES, **WEIGHTS, **MODELS, **IMAGES, **LISTS, **BASELINES, **COMMANDS}

"""Record what other libraries' attacks come to on the zoo, once, for tests that compare ours with it.

    python tests/oracles/record.py                  everything; an hour and a half of one core
    python tests/oracles/record.py adv_lib cw       these files only

Each file of this folder says which versions it was recorded with, and all that is needed to run ours on the same
images. A run of size "small" is compared in every run of the tests, one of size "full" in those of `-m nightly`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))  # the root of the repository is not on the path of a script

from tests.evaluate import zoo  # noqa: E402

SEEDS = (0, 1, 2)
Run = dict[str, Any]

#: pyautoattack's attacks: name, norm, eps, what it is called with, by size.
AUTOATTACK = {
    "full": (
        ("apgd-ce", "inf", 0.003, {"n_iter": 100}),
        ("apgd-ce", "inf", 0.0045, {"n_iter": 100}),
        ("apgd-ce", "2", 0.2, {"n_iter": 100}),
        ("apgd-dlr", "inf", 0.0045, {"n_iter": 100}),
        ("apgd-t", "inf", 0.003, {"n_iter": 100}),
        ("apgd-t", "inf", 0.0045, {"n_iter": 100}),
        ("square", "inf", 0.008, {"n_queries": 5000}),
    ),
    "small": (
        ("apgd-ce", "inf", 0.0045, {"n_iter": 20}),
        ("apgd-dlr", "inf", 0.0045, {"n_iter": 20}),
        ("apgd-t", "2", 0.2, {"n_iter": 5}),
        ("square", "inf", 0.03, {"n_queries": 150}),
        ("square", "2", 1.5, {"n_queries": 150}),
    ),
}
#: Of the standard ensemble: models, and radii; the smaller leaves 30 to 70 % of the images.
STANDARD = (("vgg16", 0.01), ("vgg11", 0.01), ("vgg16", 0.004), ("vgg11", 0.004))
#: adv-lib's: name, norm, what it is called with, by size.
ADV_LIB = {
    "full": (
        ("ddn", "2", {"steps": 100}),
        ("fmn", "2", {"steps": 100}),
        ("fmn", "inf", {"steps": 100}),
    ),
    "small": (
        ("ddn", "2", {"steps": 30}),
        ("fmn", "2", {"steps": 30}),
        ("fmn", "inf", {"steps": 30}),
    ),
}
IMAGES = {"full": 200, "small": 64}
#: The last commit whose C&W was a subclass of torchattacks' own; the zoo's baselines are what it measured.
CW_COMMIT, CW_MODELS, CW_FIELDS = "28b01cf", ("vgg11_bn", "mobilenet_v3_small"), ("success", "effort", "noise")


def autoattack() -> Iterator[Run]:
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.square import SquareAttack

    for size, name, norm, eps, given in ((size, *run) for size, runs in AUTOATTACK.items() for run in runs):
        images, labels = zoo.pixels(IMAGES[size])
        fooled = {}
        with zoo.classifier("vgg11_bn") as model:
            for seed in SEEDS:
                common = {"norm": f"L{norm}", "eps": eps, "seed": seed, "device": "cpu", **given}
                if name == "square":
                    attack = SquareAttack(model, p_init=0.8, **common)
                elif name == "apgd-t":
                    attack = APGDAttack_targeted(model, n_target_classes=9, **common)
                else:
                    attack = APGDAttack(model, loss=name.removeprefix("apgd-"), **common)
                    attack.init_hyperparam(images)
                fooled[str(seed)] = bits(model, attack.perturb(images, labels), labels)
        yield {
            "attack": name, "norm": norm, "eps": eps, "given": given, "size": size,
            "model": "vgg11_bn", "images": len(images), "fooled": fooled,
        }  # fmt: skip


class Counted(torch.nn.Module):
    """Counts the rows of its forwards, and of those with a backward."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.rows, self.gradient_rows = model, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.rows += len(images)
        logits: Tensor = self.model(images)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.gradient_rows += len(gradient)


def standard() -> Iterator[Run]:
    from pyautoattack import AutoAttack

    images, labels = zoo.pixels(IMAGES["full"])
    for name, eps in STANDARD:
        with zoo.classifier(name) as model:
            counted = Counted(model)
            attack = AutoAttack(counted, norm="Linf", eps=eps, version="standard", seed=0, device="cpu")
            found = attack.run_standard_evaluation(images, labels, batch_size=100)
            fooled = bits(model, found[0] if isinstance(found, tuple) else found, labels)
        yield {
            "attack": "standard", "norm": "inf", "eps": eps, "size": "full", "model": name, "images": len(images),
            "fooled": fooled, "rows": counted.rows, "gradient_rows": counted.gradient_rows,
        }  # fmt: skip


def bits(model: torch.nn.Module, adversarial: Tensor, labels: Tensor) -> str:
    """A digit an image: 1 where it fools."""
    with torch.no_grad():
        fooled = model(adversarial).argmax(1) != labels
    return "".join(str(int(one)) for one in fooled)


def adv_lib() -> Iterator[Run]:
    visdom = types.ModuleType("visdom")  # a web server that the library imports and these attacks never call
    visdom.Visdom = object  # type: ignore[attr-defined]
    sys.modules.setdefault("visdom", visdom)
    from adv_lib.attacks import ddn, fmn

    for size, name, norm, given in ((size, *run) for size, runs in ADV_LIB.items() for run in runs):
        for model_name in ("vgg11_bn", "mobilenet_v3_small") if size == "full" else ("vgg11_bn",):
            images, labels = zoo.pixels(IMAGES[size])
            with zoo.classifier(model_name) as model:
                if name == "ddn":  # its last step would round to the 256 values of a file
                    found = ddn(model, images, labels, levels=None, **given)
                else:
                    found = fmn(model, images, labels, norm=float(norm), **given)
                with torch.no_grad():
                    fooled = model(found).argmax(1) != labels
            norms = (found - images).flatten(1).double().norm(float(norm), dim=1)
            yield {
                "attack": name, "norm": norm, "given": given, "size": size, "model": model_name, "images": len(images),
                "distance": [round(float(one), 6) if hit else None for one, hit in zip(norms, fooled, strict=True)],
            }  # fmt: skip


def cw() -> Iterator[Run]:
    for name in CW_MODELS:
        shown = ["git", "show", f"{CW_COMMIT}:baselines/zoo/{name}/cw.json"]
        stored = json.loads(subprocess.run(shown, capture_output=True, check=True, cwd=FOLDER).stdout)
        evidence = {field: stored["evidence"][field][: IMAGES["full"]] for field in CW_FIELDS}
        yield {
            "attack": "cw", "given": stored["protocol"]["parameters"], "model": name, "images": IMAGES["full"],
            "budget": stored["budget"], **evidence,
        }  # fmt: skip


RECORDERS = {
    "pyautoattack": (autoattack, ("pyautoattack", "torch")),
    "standard": (standard, ("pyautoattack", "torch")),
    "adv_lib": (adv_lib, ("adv-lib", "torch")),
    "cw": (cw, ("torchattacks", "torch")),
}


def write(path: Path, packages: tuple[str, ...], runs: list[Run]) -> None:
    """One line for each entry of a run."""
    document: Mapping[str, Any] = {"versions": {package: version(package) for package in packages}, "runs": runs}
    lines = ["{", f' "versions": {json.dumps(document["versions"])},', ' "runs": [']
    for number, run in enumerate(runs):
        entries = [f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in run.items()]
        lines += ["  {", ",\n".join(entries), "  }," if number + 1 < len(runs) else "  }"]
    path.write_text("\n".join([*lines, " ]", "}"]) + "\n", encoding="utf-8")


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    for name in names or RECORDERS:
        recorder, packages = RECORDERS[name]
        runs = []
        for run in recorder():
            print(name, {key: value for key, value in run.items() if key in ("attack", "norm", "eps", "size", "model")})
            runs.append(run)
            write(FOLDER / f"{name}.json", packages, runs)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Suites of the tests: a TOML file, an image set and a case of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.images.image_set import load_images
from pytest_robustness.evaluate.measure import evaluate
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.load import load_model
from pytest_robustness.evaluate.models.sources import normalisation_of
from pytest_robustness.evaluate.rounds import Round, RunContext
from pytest_robustness.evaluate.runtime.clock import CpuClock
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case
from torch import Tensor, nn

from tests.evaluate import nets

CPU = torch.device("cpu")
MEAN, STD = 0.5, 0.25
#: The whole batches and the smaller last one that every suite here has.
COUNT, BATCH = 56, 24
PGD = {"attack": "PGD", "eps": 0.03, "alpha": 0.0075, "steps": 10}

#: Every attack the registry knows, at a few steps; with all of C&W's stops.
ATTACKS = {
    "fgsm": {"attack": "FGSM", "eps": 0.03},
    "fgsm-full": {"attack": "FGSM", "eps": 0.03, "stop": "full"},
    "pgd": {"attack": "PGD", "eps": 0.03, "steps": 3},
    "pgd-full": {"attack": "PGD", "eps": 0.03, "steps": 3, "stop": "full"},
    "bim": {"attack": "BIM", "eps": 0.03, "steps": 3},
    "tpgd": {"attack": "TPGD", "eps": 0.03, "steps": 3},
    "cw": {"attack": "CW", "steps": 8},
    "cw-full": {"attack": "CW", "steps": 8, "stop": "full"},
    "cw-torchattacks": {"attack": "CW", "steps": 8, "stop": "torchattacks"},
    "fmn": {"attack": "FMN", "steps": 8},
    "ddn": {"attack": "DDN", "steps": 8},
    "mifgsm": {"attack": "MIFGSM", "eps": 0.03, "steps": 2},
    "nifgsm": {"attack": "NIFGSM", "eps": 0.03, "steps": 2},
    "sinifgsm": {"attack": "SINIFGSM", "eps": 0.03, "steps": 2, "m": 2},
    "vmifgsm": {"attack": "VMIFGSM", "eps": 0.03, "steps": 2, "N": 2},
    "difgsm": {"attack": "DIFGSM", "eps": 0.03, "steps": 2},
    "jitter": {"attack": "Jitter", "eps": 0.03, "steps": 2},
    "apgd": {"attack": "APGD", "eps": 0.03, "steps": 3},
    "apgdt": {"attack": "APGDT", "eps": 0.03, "steps": 2, "n_classes": nets.CLASSES},
    "square": {"attack": "Square", "eps": 0.03, "n_queries": 5},
    "deepfool": {"attack": "DeepFool", "steps": 2},
}


def pictures(count: int = COUNT, *, seed: int = 0) -> np.ndarray:
    """(count, H, W, C) uint8: a colour with noise on it, none at the ends of the range."""
    rng = np.random.default_rng(seed)
    colour = rng.random((count, 1, 1, nets.CHANNELS)) * 0.7
    noise = rng.random((count, nets.SIZE, nets.SIZE, nets.CHANNELS)) * 0.3
    return np.round((colour + noise) * 253 + 1).astype(np.uint8)


def as_tensor(images: np.ndarray) -> Tensor:
    """(N, C, H, W) in [0, 1], float32."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255


def labels_of(images: np.ndarray, model: nn.Module | None = None, *, wrong: Sequence[int] = (3, 30, 50)) -> np.ndarray:
    """What the model says of the images, but for the ``wrong`` ones, which it gets wrong."""
    with torch.no_grad():
        said = (model or nets.tiny()).eval()((as_tensor(images) - MEAN) / STD).argmax(1).numpy()
    said[list(wrong)] = (said[list(wrong)] + 1) % nets.CLASSES
    return said


def write_images(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    np.savez(path, images=images, labels=labels.astype(np.int64), ids=np.arange(len(images)))
    return path


def case_of(
    folder: Path,
    attack: Mapping[str, Any] = PGD,
    *,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    source: str = "tests.evaluate.nets:tiny",
    weights: str | None = None,
    unselected: str | None = None,
    batch_size: int = BATCH,
    row_floor: int = 16,
    seed: int = 0,
    memory_format: str = "contiguous",
) -> Case:
    """The one case of a suite written to ``folder``."""
    images = pictures() if images is None else images
    write_images(folder / "images.npz", images, labels_of(images) if labels is None else labels)
    lines = [f"batch_size = {batch_size}", f"row_floor = {row_floor}", f"seed = {seed}"]
    lines += [f'memory_format = "{memory_format}"']
    lines += ["[images]", 'file = "images.npz"', *([f'unselected = "{unselected}"'] if unselected else [])]
    lines += ["[normalisation]", f"mean = {[MEAN] * nets.CHANNELS}", f"std = {[STD] * nets.CHANNELS}"]
    lines += ["[models.net]", f'source = "{source}"', *([f'weights = "{weights}"'] if weights else [])]
    lines += ["[attacks.it]", *(f"{key} = {_toml(value)}" for key, value in attack.items())]
    path = folder / "suite.toml"
    path.write_text("\n".join(lines) + "\n")
    return load_suite(path).case("net/it")


def _toml(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)


def measure(case: Case) -> Measurement:
    return evaluate(case, device=CPU)


class Spied(Round):
    """A round that keeps the batch, the meter and what the attack returned."""

    def after(self) -> None:
        self.kept = self.inputs, self.labels, self.meter, self.returned.detach()
        super().after()


def rounds_of(case: Case) -> list[Spied]:
    """The case's rounds, run, with all that ``evaluate`` throws away."""
    resolved, images = resolve(case), load_images(case.suite.images.file)
    parameters, kind = resolved.parameters(), resolved.spec
    norm = normalisation_of(case)
    spied = []
    with Classifier(load_model(case), mean=norm.mean, std=norm.std) as classifier:
        context = RunContext(
            resolved=resolved,
            classifier=classifier,
            images=images,
            clock=CpuClock(),
            eps=float(parameters.get("eps", 0)),
            budget=kind.budget(parameters) if kind.budget else None,
            row_floor=case.suite.row_floor,
            seed=case.suite.seed,
        )
        for start in range(0, len(images), case.batch_size):
            rows = slice(start, min(start + case.batch_size, len(images)))
            inputs, labels = images.batch(rows, CPU, torch.float32)
            with torch.no_grad():
                correct = classifier(inputs).argmax(1) == labels
            one = Spied(context, rows, correct, lambda done: None)
            one.before()
            one()
            one.after()
            spied.append(one)
    return spied

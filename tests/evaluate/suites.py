"""Suites of the tests: a TOML file, an image set and a case of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytest_robustness.evaluate.measure import evaluate, look_again
from pytest_robustness.evaluate.models.classifier import Classifier
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

#: The core attacks at a few steps, and with all of their stops.
CORE = {
    "fgsm": {"attack": "FGSM", "eps": 0.03},
    "fgsm-full": {"attack": "FGSM", "eps": 0.03, "stop": "full"},
    "pgd": {"attack": "PGD", "eps": 0.03, "alpha": 0.0075, "steps": 3},
    "pgd-full": {"attack": "PGD", "eps": 0.03, "alpha": 0.0075, "steps": 3, "stop": "full"},
    "pgd-l2": {"attack": "PGD", "eps": 0.3, "alpha": 0.1, "steps": 3, "norm": "2"},
    "pgd-restarts": {"attack": "PGD", "eps": 0.01, "alpha": 0.004, "steps": 2, "restarts": 3},
    "bim": {"attack": "BIM", "eps": 0.03, "alpha": 0.0075, "steps": 3},
    "mifgsm": {"attack": "MIFGSM", "eps": 0.03, "alpha": 0.01, "steps": 3},
    "apgd": {"attack": "APGD", "eps": 0.01, "steps": 6},
    "square": {"attack": "Square", "eps": 0.03, "queries": 20},
    "cw": {"attack": "CW", "steps": 20},
    "cw-full": {"attack": "CW", "steps": 8, "stop": "full"},
    "fmn": {"attack": "FMN", "steps": 8},
    "fmn-eps": {"attack": "FMN", "steps": 8, "eps": 0.02},
    "ddn": {"attack": "DDN", "steps": 8},
}
#: Some of a library, which are called with whole batches.
LIBRARY = {
    "ta-pgd": {"attack": "torchattacks:PGD", "eps": 0.03, "alpha": 0.0075, "steps": 3},
    "ta-pgd-full": {"attack": "torchattacks:PGD", "eps": 0.03, "alpha": 0.0075, "steps": 3, "stop": "full"},
    "ta-difgsm": {"attack": "torchattacks:DIFGSM", "eps": 0.03, "alpha": 0.01, "steps": 2, "random_start": True},
    "ta-square": {"attack": "torchattacks:Square", "eps": 0.03, "n_queries": 20},
    "ta-deepfool": {"attack": "torchattacks:DeepFool", "steps": 2},
}
ATTACKS = CORE | LIBRARY


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
    row_floor: int | None = None,
    seed: int = 0,
    memory_format: str = "contiguous",
    time: str = "work",
    **contract: Any,
) -> Case:
    """The one case of a suite written to ``folder``; ``contract`` are further keys of its model."""
    images = pictures() if images is None else images
    write_images(folder / "images.npz", images, labels_of(images) if labels is None else labels)
    lines = [f"batch_size = {batch_size}", f"seed = {seed}"]
    lines += [] if row_floor is None else [f"row_floor = {row_floor}"]
    lines += [f'memory_format = "{memory_format}"', f'time = "{time}"']
    lines += ["[images]", 'file = "images.npz"', *([f'unselected = "{unselected}"'] if unselected else [])]
    lines += ["[normalisation]", f"mean = {[MEAN] * nets.CHANNELS}", f"std = {[STD] * nets.CHANNELS}"]
    lines += ["[models.net]", f'source = "{source}"', *([f'weights = "{weights}"'] if weights else [])]
    lines += [f"{key} = {_toml(value)}" for key, value in contract.items()]
    lines += ["[attacks.it]", *(f"{key} = {_toml(value)}" for key, value in attack.items())]
    path = folder / "suite.toml"
    path.write_text("\n".join(lines) + "\n")
    return load_suite(path).case("net/it")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)


def measure(case: Case) -> Measurement:
    return evaluate(case, device=CPU)


Seen = dict[int, tuple[Tensor, Tensor]]


def answers_of(case: Case) -> Seen:
    """Of each image the attack was given, by its place: clean and adversarial, (C, H, W) each."""
    seen: Seen = {}

    def look(classifier: Classifier, row_floor: int, places: Tensor, clean: Tensor, adversarial: Tensor) -> None:
        for place, *pair in zip(places.tolist(), clean, adversarial, strict=True):
            seen[place] = pair[0].clone(), pair[1].clone()

    attempts = [place for place, right in enumerate(measure(case).evidence.correct) if right]
    look_again(case, attempts, look, device=CPU)
    return seen

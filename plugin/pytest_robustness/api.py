"""The gate for programs: measure a model that is at hand, and judge it by a baseline, without pytest or a suite's file.

``from pytest_robustness import attack, judge, measure, Baselines``. These are the functions by which the pytest plugin
measures and judges: evidence is the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_robustness.errors import NothingAttacked
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.health import masking_findings
from pytest_robustness.evaluate.images.image_set import image_set_of
from pytest_robustness.evaluate.measure import evaluate, not_examined
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.gate import judge as gate
from pytest_robustness.gate.metrics import Rules
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.finding import Finding
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.records.verdict import Verdict
from pytest_robustness.suite.attack import Attack
from pytest_robustness.suite.objects import Objects, case_of_objects
from pytest_robustness.suite.suite import Case, Tolerances

#: Keys of a model's table in a suite that ``measure`` takes by the same names.
CONTRACT = ("channels", "range", "layout", "output", "head")


def attack(name: str, **parameters: bool | float | str) -> Attack:
    """Describe an attack, as a suite's table of it does.

    Args:
        name: of the core, ``"PGD"``; of a library, ``"foolbox:LinfPGD"``; or of your own, ``"package.module:Class"``.
        parameters: the attack's own, by the field's names (``eps``, ``alpha``, ``steps``; pixels are in [0, 1]), and
            ``stop``, ``batch_size``, ``norm`` and ``max_success_rate`` as in a suite. What is left out has its default.

    Returns:
        What ``measure`` takes. Names and values are checked there.

    Examples:
        >>> attack("PGD", eps=8 / 255, alpha=2 / 255, steps=10).attack
        'PGD'
    """
    return Attack.model_validate({"attack": name, **parameters})


def measure(
    model: nn.Module,
    images: Any,
    labels: Any,
    attack: Attack,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    name: str = "model/attack",
    clean_images: Any = None,
    clean_labels: Any = None,
    device: str | torch.device | None = None,
    batch_size: int = 100,
    seed: int = 0,
    findings: bool = True,
    **contract: Any,
) -> Measurement:
    """Attack a model's images, once, and return what happened to each of them.

    The model is borrowed: afterwards, also after an error, its parameters, buffers, flags and modes are as they were.

    Args:
        model: any module from a batch of images to (N, K) logits.
        images: tensor or array, (N, C, H, W), float in [0, 1] or uint8; one or three channels, RGB.
        labels: (N,) integers, from 0.
        attack: what ``attack`` returns.
        mean: per channel, or one for all; ``(image - mean) / std`` is the model's input.
        std: likewise.
        name: ``MODEL/ATTACK``; a baseline is kept under it.
        clean_images: images drawn blindly, as ``images``, for the clean accuracy; None: it is not measured.
        clean_labels: their labels.
        device: where the model runs; None: the first GPU, else the CPU.
        batch_size: images in a forward. The results do not depend on it, but for attacks of libraries.
        seed: of all that is drawn.
        findings: whether the checks for masked gradients are made, without which an improvement is believed unchecked.
        contract: how the model takes an image and answers, as a suite says it: ``channels``, ``range``, ``layout``,
            ``output``, ``head``.

    Raises:
        NothingAttacked: no image is classified correctly.
        RobustnessError: in one line, where images, labels, attack or model are not what they should be.
    """
    unknown = next((key for key in contract if key not in CONTRACT), None)
    if unknown is not None:
        raise TypeError(f"measure() has no argument {unknown!r}; of the model's contract: {', '.join(CONTRACT)}")
    clean = None if clean_images is None else image_set_of(clean_images, clean_labels)
    case = case_of_objects(
        name,
        attack.model_dump(exclude_none=True) | attack.parameters,
        Objects(model, image_set_of(images, labels), clean),
        {"normalisation": {"mean": tuple(mean), "std": tuple(std)}, **contract},
        batch_size=batch_size,
        seed=seed,
    )
    cache = ModelCache()

    def examine(provenance: Provenance, classifier: Classifier) -> list[Finding]:
        return masking_findings(case, classifier, cache)

    where = None if device is None else torch.device(device)
    measured = evaluate(case, device=where, model_cache=cache, examine=examine if findings else not_examined)
    if not measured.aggregates.attempts:
        what = "none of the images is classified correctly, so nothing was attacked: compare mean, std and the labels"
        raise NothingAttacked(str(case.error(name, what)))
    lists = [case.suite.objects.images.listed, *([clean.listed] if clean else [])]
    return measured.with_lists(lists)


def judge(
    current: Measurement,
    baseline: Measurement | None,
    *,
    tolerances: dict[str, float] | None = None,
    alpha: float = 0.05,
    accept_removed_images: bool = False,
) -> Verdict:
    """Compare a measurement with its baseline, image by image.

    Args:
        current: what ``measure`` returned.
        baseline: what ``Baselines.read`` returned; None: there is none, which is a verdict of its own.
        tolerances: by how much a metric may be worse, as in a suite's table: ``{"success_rate": 0.02}``; rates in
            shares, the others relative. What is left out has its default, a point or 5 %.
        alpha: the chance that the verdict is a false alarm is at most this.
        accept_removed_images: images of the baseline may be missing; the others are judged.

    Returns:
        A verdict: ``passed``, ``status``, ``reason`` in one line, and ``metrics`` with their numbers.

    Raises:
        RobustnessError: where the two are of different images, and nothing says which.
    """
    case = case_of_objects(current.case, {"attack": "PGD"}, Objects(None, None), {}, alpha=alpha)
    rules = replace(Rules.of(case), accept_removed_images=accept_removed_images)
    if tolerances:
        rules = replace(rules, tolerances=Tolerances.model_validate(tolerances))
    known = [*current.lists, *(baseline.lists if baseline is not None else ())]
    return gate.judge(current, baseline, rules, Lists(known))


class Baselines:
    """Measurements in a folder, ``FOLDER/MODEL/ATTACK.json``, to be committed and compared with later ones."""

    def __init__(self, folder: str | Path) -> None:
        self._store = BaselineStore(Path(folder), ".")

    def read(self, name: str) -> Measurement | None:
        """Return the baseline of a case, ``MODEL/ATTACK``; None where there is none.

        Raises RobustnessError, naming the file, where it is damaged, edited by hand or another case's.
        """
        found = self._store.read(name)
        if found is None:
            return None
        digests = [one.digest for one in (found.images, found.unselected) if one is not None]
        return found.with_lists(self._store.image_list(digest) for digest in digests)

    def write(self, measurement: Measurement) -> Path:
        """Store a measurement as its case's baseline, whole or not at all, and return its file.

        Raises RobustnessError, naming the file, where it cannot be written.
        """
        self._store.write([measurement], measurement.lists)
        return self._store.path(measurement.case)

    def names(self) -> list[str]:
        """Return the names of all cases that have a baseline, sorted."""
        return sorted(self._store.cases())


__all__ = ["Baselines", "Case", "attack", "judge", "measure"]

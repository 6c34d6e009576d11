"""Whether attacks on a model can be believed: what looks like robustness and is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks.registry import ResolvedAttack, resolve
from pytest_robustness.evaluate.health.cheap import CHEAP, accuracy
from pytest_robustness.evaluate.health.finding import Checks, Finding, Subject
from pytest_robustness.evaluate.health.heavy import HEAVY
from pytest_robustness.evaluate.images.load import attacked_images
from pytest_robustness.evaluate.loaded import DTYPE, loaded_classifier
from pytest_robustness.evaluate.models.classifier import row_floor
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.suite.suite import Suite

__all__ = ["CHECKS", "Finding", "Level", "Subject", "examine"]

Level = Literal["cheap", "heavy"]
CHECKS: dict[Level, Checks] = {"cheap": CHEAP, "heavy": HEAVY}

#: Images that are checked, and those looked at to find them, at even distances in the image set.
IMAGES, TRIED = 40, 80
#: Radius where the suite has no attack in an L-infinity ball: the paper's.
EPSILON = 0.01
#: Of fewer images the other checks say nothing.
FEWEST = 2


@torch.inference_mode(False)
@torch.enable_grad()
def examine(suite: Suite, model_name: str, *, device: torch.device | None = None, level: Level) -> list[Finding]:
    """Check one model of a suite, on the images and in the ball its attacks have.

    Raises:
        RobustnessError: where model, weights or images are not what the suite promises, in one line.
    """
    device = device or devices.pick_device()
    cases = [case for case in suite.cases() if case.model_name == model_name and case.ensemble is None]
    attacks = {case.attack_name: resolve(case) for case in cases}
    images = attacked_images(cases[0])
    with loaded_classifier(cases[0], images, device) as classifier:
        rows = _spread(len(images), TRIED)
        inputs = images.pixels[rows].to(device).to(DTYPE) / 255
        labels = images.labels[rows].to(device)
        with torch.no_grad():
            right = (classifier(inputs).argmax(1) == labels).nonzero().squeeze(1)
        chosen = right[_spread(len(right), IMAGES).to(device)]
        subject = Subject(
            classifier,
            inputs[chosen],
            labels[chosen],
            right=len(right),
            tried=len(rows),
            eps=_epsilon(attacks.values()),
            attacks=attacks,
            seed=suite.seed,
            row_floor=row_floor(cases[0], device),
        )
        if len(subject) < FEWEST:
            return [accuracy(subject)]
        return [check(subject) for check in CHECKS[level]]


def _spread(count: int, wanted: int) -> Tensor:
    """At most ``wanted`` of ``count`` positions, at even distances."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long()


def _epsilon(attacks: Iterable[ResolvedAttack]) -> float:
    """The largest radius of the suite's L-infinity balls."""
    given = [attack.parameters().get("eps") for attack in attacks if attack.spec.norm == "inf"]
    return max((float(eps) for eps in given if isinstance(eps, int | float)), default=EPSILON)

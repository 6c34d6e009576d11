"""Attacks that are called with a batch, run on a small net through a meter, as a case runs them."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.registry import ResolvedAttack, attack_library, resolve
from pytest_robustness.evaluate.meter import UNFOOLED, Exhausted, Meter
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.runtime.seeding import seeded
from torch import Tensor, nn

from tests.evaluate import nets
from tests.evaluate.suites import MEAN, STD, as_tensor, case_of, labels_of, pictures

COUNT = 16


@dataclass
class Run:
    """What an attack did to a batch, (N, ...) each.

    Attributes:
        resolved: the attack.
        meter: what it saw.
        clean, labels: all of them classified correctly.
        answer: as it was returned, checked.
        fooled: bool, by a plain forward of the answer; of frozen rows, of where they were first fooled.
        effort: int64, gradients before the first candidate that fooled; UNFOOLED.
    """

    resolved: ResolvedAttack
    meter: Meter
    clean: Tensor
    labels: Tensor
    answer: Tensor
    fooled: Tensor

    @property
    def effort(self) -> Tensor:
        return self.meter.effort

    @property
    def distance(self) -> Tensor:
        """Of the fooled, in the attack's own norm; L2 where it has none."""
        norm = self.resolved.distance_norm or self.resolved.spec.norm or "2"
        difference = (self.answer - self.clean)[self.fooled].flatten(1)
        return torch.linalg.vector_norm(difference, ord=float(norm), dim=1)


def run(
    attack: ResolvedAttack | Mapping[str, Any],
    folder: Path,
    *,
    count: int = COUNT,
    seed: int = 0,
    net: nn.Module | None = None,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
    edges: bool = False,
) -> Run:
    """Attack the first images of the tests' suites. Raises what the attack, or the check of its answer, raises.

    With ``edges`` a third of their pixels are black or white, and their labels what the net says of them then.
    """
    resolved = attack if isinstance(attack, ResolvedAttack) else resolve(case_of(folder, attack))
    model = net or nets.tiny()
    clean = as_tensor(pictures(count)).to(dtype)
    labels = torch.from_numpy(labels_of(pictures(count), net, wrong=()))
    if edges:
        clean[::2, :, :4], clean[1::2, :, :, :4] = 1, 0
        with torch.no_grad():
            labels = model.eval()((clean - MEAN) / STD).argmax(1)
    eps = float(resolved.parameters().get("eps", 0))
    norm = resolved.spec.norm
    with Classifier(model, mean=[MEAN], std=[STD], memory_format=memory_format) as classifier:
        meter = Meter(
            classifier,
            clean,
            labels,
            torch.ones_like(labels, dtype=torch.bool),
            candidates=resolved.watched,
            freeze=resolved.freezes,
            ball=lambda candidates, images: ball.within(candidates, images, norm, eps),
            row_floor=1,
        )
        with seeded(seed, 0):
            try:
                returned = resolved.build(meter)(clean.clone(), labels.clone())
            except Exhausted:
                returned = meter.adversarial
        answer = ball.check_adversarial(returned, clean, norm, eps)
        if resolved.freezes:
            answer = torch.where(meter.fooled.view(-1, 1, 1, 1), meter.adversarial, answer)
        with torch.no_grad():
            fooled = classifier(answer).argmax(1) != labels
    assert bool((meter.effort[~fooled] == UNFOOLED).all()) or not resolved.freezes
    return Run(resolved, meter, clean, labels, answer, fooled)


def needs(library: str) -> None:
    """Skip, and say so, where a library is not installed. adv-lib's import of a web server is given a stub."""
    known = attack_library(library)
    if library == "adv_lib":
        _stub_visdom()
    pytest.importorskip(library, reason=f"{library} is not installed: {known.command}")


def _stub_visdom() -> None:
    """adv-lib imports it to draw curves, which nobody asks for; it does not build everywhere."""
    try:
        import visdom  # noqa: F401
    except ImportError:
        stub = types.ModuleType("visdom")
        stub.Visdom = object  # type: ignore[attr-defined]
        sys.modules["visdom"] = stub

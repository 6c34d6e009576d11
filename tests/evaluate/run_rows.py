"""Run an attack row by row on tensors, as a case does it on files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from pytest_robustness.evaluate.active_batch import ActiveBatch
from pytest_robustness.evaluate.attacks.rows import Rows
from torch import Tensor


@dataclass
class Outcome:
    """What an attack answered, in the order in which the images were given, and the batch that it ran in."""

    adversarial: Tensor
    fooled: Tensor
    first: Tensor
    forwards: Tensor
    gradients: Tensor
    batch: ActiveBatch

    def same_as(self, other: Outcome, rows: Tensor | slice = slice(None)) -> bool:
        """Whether an outcome of some of the images is bit for bit this one's."""
        return all(
            torch.equal(getattr(self, name)[rows], getattr(other, name))
            for name in ("adversarial", "fooled", "first", "forwards", "gradients")
        )


def key_of(image: Tensor) -> str:
    """The digest of an image's pixels."""
    return sha256(image.contiguous().numpy().tobytes()).hexdigest()


def run(
    attack: Any,
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    seed: int = 0,
    capacity: int = 100,
    row_floor: int = 1,
    stops: bool = True,
    keys: Sequence[str] | None = None,
    name: str = "the attack",
) -> Outcome:
    """Attack all images, (N, C, H, W) in [0, 1], at most ``capacity`` at a time."""
    batch = ActiveBatch(
        attack,
        model,
        lambda places: (images[places], labels[places]),
        [key_of(image) for image in images] if keys is None else keys,
        range(len(images)),
        seed=seed,
        capacity=capacity,
        row_floor=row_floor,
        stops=stops,
        name=name,
    )
    answers = batch.advance(len(images))
    order = torch.cat([one.place for one in answers]).argsort()
    assert torch.equal(torch.cat([one.clean for one in answers])[order], images)
    names = ("adversarial", "fooled", "first", "forwards", "gradients")
    return Outcome(*(torch.cat([getattr(one, name) for one in answers])[order] for name in names), batch)


class Spy:
    """An attack, and what it asks about: each candidate by the image's place, its restart and its step."""

    def __init__(self, attack: Any) -> None:
        self.attack = attack
        self.seen: dict[tuple[int, int, int], Tensor] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.attack, name)

    def candidates(self, rows: Rows) -> Tensor:
        candidates: Tensor = self.attack.candidates(rows)
        names = zip(rows["place"].tolist(), rows["restart"].tolist(), rows.step.tolist(), strict=True)
        self.seen.update(zip(names, candidates, strict=True))
        return candidates

    def iterates(self, place: int, restart: int = 0) -> list[Tensor]:
        """The candidates of one image, in order."""
        steps = sorted(step for one, other, step in self.seen if (one, other) == (place, restart))
        return [self.seen[place, restart, step] for step in steps]

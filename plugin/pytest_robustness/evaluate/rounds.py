"""Rounds: the parts of a case's attack, which are timed and looked at one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from pytest_robustness.evaluate.attacks.registry import ResolvedAttack
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.noise import noise_rate
from pytest_robustness.evaluate.runtime.clock import Clock
from pytest_robustness.records.protocol import Parameter

#: Is shown the images of a round before they are dropped. It takes the classifier, the fewest rows it may be given, the
#: places of the images, and the images clean and adversarial, (n, C, H, W) each.
Look = Callable[[Classifier, int, Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class RunContext:
    """Holds what the rounds of a case share."""

    resolved: ResolvedAttack
    parameters: dict[str, Parameter]
    classifier: Classifier
    images: ImageSet
    clock: Clock
    row_floor: int
    batch_size: int
    seed: int
    look: Look | None = None

    @cached_property
    def budget(self) -> int | None:
        """Return how many gradient evaluations an image may cost. Returns None when the attack has no known budget."""
        return self.resolved.budget(self.parameters)

    @property
    def eps(self) -> float:
        """Return the radius of the ball, or infinity when there is none."""
        given = self.parameters.get("eps")
        return float(given) if isinstance(given, int | float) else float("inf")

    def show(self, places: Tensor, clean: Tensor, adversarial: Tensor) -> None:
        """Show the answers to ``look``, if there is one."""
        if self.look is not None:
            self.look(self.classifier, self.row_floor, places, clean, adversarial)

    def unit(self, places: Sequence[int]) -> float:
        """Return the seconds of a gradient unit: one forward of these images, and one backward to the input."""
        inputs, labels = self.images.batch(places, self.classifier.device, self.classifier.dtype)

        def work() -> None:
            images = inputs.clone().requires_grad_()
            loss = functional.cross_entropy(self.classifier(images), labels)
            if loss.requires_grad:
                torch.autograd.grad(loss, images)

        return self.clock.seconds(work)


@dataclass(frozen=True)
class Outcome:
    """Holds the outcome of the attack on some images, on the CPU, (n,) each.

    Attributes:
        places: int64, places in the image set.
        success: bool.
        noise: float64, NaN where there was no success.
        effort: int64, gradient evaluations until the first success; the budget plus one stands for never. None when it
            is not known.
        distance: float64, NaN where no answer fools. None for an attack that does not look for small perturbations.
        forwards, gradients: int64, rows computed for the image. None when they were only counted as a whole.
        fooled_by: int64, number of the member of an ensemble; -1 where there was no success. None without an ensemble.
        pixels: digests of the images that a corruption made. None for other attacks.
        one_colour: how many answers were of one colour all over, which is no perturbation and no success.
    """

    places: Tensor
    success: Tensor
    noise: Tensor
    effort: Tensor | None = None
    distance: Tensor | None = None
    forwards: Tensor | None = None
    gradients: Tensor | None = None
    fooled_by: Tensor | None = None
    pixels: Sequence[str] | None = None
    one_colour: int = 0


class Round(Protocol):
    """Runs a part of the attack. Call ``before``, the round, and ``after``, in this order and once.

    Only the call itself is the attack.

    Attributes:
        attack_seconds: seconds of the attack, known after the call.
        rows, gradient_rows, padding: images computed in forwards, those of forwards with a backward, and those that
            were only repeated; known after the call.
        units: seconds and images of the gradient units that were timed beside it.
        outcomes: outcomes of the images, known after ``after``.
    """

    attack_seconds: float
    rows: int
    gradient_rows: int
    padding: int
    units: list[tuple[float, int]]
    outcomes: list[Outcome]

    def before(self) -> None: ...

    def __call__(self) -> None: ...

    def after(self) -> None: ...


@dataclass(eq=False)
class Timed:
    """Holds what every kind of round keeps, and times gradient units."""

    context: RunContext
    finished: Callable[[int], None]
    unit_before: Sequence[int] = ()
    unit_after: Sequence[int] = ()
    attack_seconds: float = 0.0
    rows: int = 0
    gradient_rows: int = 0
    padding: int = 0
    units: list[tuple[float, int]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def time_unit(self, places: Sequence[int]) -> None:
        """Time a gradient unit of these images, if there are any."""
        if places:
            self.units.append((self.context.unit(places), len(places)))


def moved(clean: Tensor, adversarial: Tensor) -> Tensor:
    """Return (n,) bool, whether the attack changed the image at all. At distance 0 there is no success."""
    return (adversarial != clean).flatten(1).any(1)


def noise_of(clean: Tensor, adversarial: Tensor, success: Tensor) -> Tensor:
    """Return the noise rate of successes, (n,) float64 on the CPU, NaN elsewhere."""
    noise = torch.full(success.shape, torch.nan, dtype=torch.float64)
    if bool(success.any()):
        noise[success.cpu()] = noise_rate(clean[success], adversarial[success]).cpu()
    return noise


RunRounds = Callable[[Sequence[Round]], None]


def run_in_order(rounds: Sequence[Round]) -> None:
    """Run one round after the other."""
    for one in rounds:
        one.before()
        one()
        one.after()

"""A case is run in rounds: parts of its attack that are timed and looked at one after the other."""

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

#: Is shown, before they go: the classifier, the fewest rows it may be given, the places of some images, and them clean
#: and adversarial, (n, C, H, W) each.
Look = Callable[[Classifier, int, Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class RunContext:
    """What the rounds of a case share."""

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
        """Gradient evaluations an image may cost; None where that is not known, or there are none."""
        return self.resolved.budget(self.parameters)

    @property
    def eps(self) -> float:
        """The radius of the ball; infinite where there is none."""
        given = self.parameters.get("eps")
        return float(given) if isinstance(given, int | float) else float("inf")

    def show(self, places: Tensor, clean: Tensor, adversarial: Tensor) -> None:
        """Let whoever wants to look at answers do so."""
        if self.look is not None:
            self.look(self.classifier, self.row_floor, places, clean, adversarial)

    def unit(self, places: Sequence[int]) -> float:
        """Seconds of a gradient unit: one forward, and one backward to the input, of these images."""
        inputs, labels = self.images.batch(places, self.classifier.device, self.classifier.dtype)

        def work() -> None:
            images = inputs.clone().requires_grad_()
            loss = functional.cross_entropy(self.classifier(images), labels)
            if loss.requires_grad:
                torch.autograd.grad(loss, images)

        return self.clock.seconds(work)


@dataclass(frozen=True)
class Outcome:
    """What some images came to, on the CPU, (n,) each.

    Attributes:
        places: int64, in the image set.
        success: bool.
        noise: float64, NaN where there was no success.
        effort: int64, gradient evaluations until the first success, the budget and one for never. None: not known.
        distance: float64, NaN where no answer fools. None: of an attack that does not look for small ones.
        forwards, gradients: int64, rows computed for the image. None: only counted as a whole.
        fooled_by: int64, member of an ensemble; -1 where there was no success. None: no ensemble.
        pixels: of a corruption, digests of the images it made. None: no corruption.
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
    """A part of the attack. Call ``before``, the round, and ``after``, in this order and once.

    Only the call itself is the attack.

    Attributes:
        attack_seconds: after the call.
        rows, gradient_rows, padding: images computed in forwards, those of forwards with a backward, and those that
            were only repeated; after the call.
        units: seconds and images of the gradient units that were timed beside it.
        outcomes: after ``after``.
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
    """What every kind of round keeps."""

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
    """(n,) bool: whether the attack changed the image at all. At distance 0 there is no success."""
    return (adversarial != clean).flatten(1).any(1)


def noise_of(clean: Tensor, adversarial: Tensor, success: Tensor) -> Tensor:
    """The noise rate of successes, (n,) float64 on the CPU, NaN elsewhere."""
    noise = torch.full(success.shape, torch.nan, dtype=torch.float64)
    if bool(success.any()):
        noise[success.cpu()] = noise_rate(clean[success], adversarial[success]).cpu()
    return noise


RunRounds = Callable[[Sequence[Round]], None]


def run_in_order(rounds: Sequence[Round]) -> None:
    """One round after the other."""
    for one in rounds:
        one.before()
        one()
        one.after()

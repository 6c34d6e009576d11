"""A case is run in rounds: one batch each, attacked, timed and looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.registry import ResolvedAttack
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.meter import Exhausted, Meter
from pytest_robustness.evaluate.models.classifier import Classifier, padded
from pytest_robustness.evaluate.noise import noise_rate
from pytest_robustness.evaluate.runtime.clock import Clock
from pytest_robustness.evaluate.runtime.errors import user_code
from pytest_robustness.evaluate.runtime.seeding import seeded


@dataclass(frozen=True)
class RunContext:
    """What the rounds of a case share."""

    resolved: ResolvedAttack
    classifier: Classifier
    images: ImageSet
    clock: Clock
    eps: float
    budget: int | None
    row_floor: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What one batch showed, on the CPU, (n,) each.

    Attributes:
        success: bool.
        effort: int64, gradient evaluations until the first success.
        noise: float64, NaN where there was no success.
        gradients: gradient evaluations of the whole batch.
        rows: images the classifier computed for the attack.
    """

    success: Tensor
    effort: Tensor
    noise: Tensor
    gradients: int
    rows: int


@dataclass(eq=False)
class Round:
    """The attack on one batch.

    Call ``before``, the round, and ``after``, in this order and once; only the call itself is the attack. The batch
    lives from ``before`` to ``after``.

    Attributes:
        rows: the batch's place in the image set.
        correct: (n,) bool, on the CPU: the attempts.
        first: of its case; then a unit is also timed before it, as there is no other round's beside it.
        attack_seconds, unit_seconds: of the attack, and of the gradient units beside it.
        outcome: after ``after``.
        look: is shown the clean and the adversarial batch, (n, C, H, W) each, before they go.
    """

    context: RunContext
    rows: slice
    correct: Tensor
    finished: Callable[[int], None]
    first: bool = False
    attack_seconds: float = 0.0
    unit_seconds: list[float] = field(default_factory=list)
    look: Callable[[Tensor, Tensor], None] | None = None

    def before(self) -> None:
        context = self.context
        classifier, resolved = context.classifier, context.resolved
        self.inputs, self.labels = context.images.batch(self.rows, classifier.device, classifier.dtype)
        self.attempts = self.correct.to(classifier.device)
        self.meter = Meter(
            classifier,
            self.inputs,
            self.labels,
            self.attempts,
            candidates=resolved.watched,
            freeze=resolved.freezes,
            ball=lambda candidates, clean: ball.within(candidates, clean, resolved.spec.norm, context.eps),
            row_floor=context.row_floor,
        )
        with user_code(f"the attack {resolved.spec.path}"):
            self.attack = resolved.build(self.meter)
        self.given = self.inputs.clone(), self.labels.clone()  # an attack may work in place
        if self.first:
            self.unit_seconds.append(context.clock.seconds(self._unit))

    def __call__(self) -> None:
        self.attack_seconds = self.context.clock.seconds(self._attack)

    def after(self) -> None:
        self.unit_seconds.append(self.context.clock.seconds(self._unit))
        self.outcome = self._look()
        del self.inputs, self.labels, self.attempts, self.meter, self.attack, self.given, self.returned
        self.finished(self.rows.stop)

    def _unit(self) -> None:
        """One forward and backward to the input."""
        inputs = self.inputs.clone().requires_grad_()
        loss = functional.cross_entropy(self.context.classifier(inputs), self.labels)
        torch.autograd.grad(loss, inputs)

    def _attack(self) -> None:
        with seeded(self.context.seed, self.rows.start), user_code(f"the attack {self.context.resolved.spec.path}"):
            try:
                self.returned = self.attack(*self.given)
            except Exhausted:
                self.returned = self.meter.adversarial

    @torch.no_grad()
    def _look(self) -> Outcome:
        context, meter = self.context, self.meter
        ball.check_adversarial(self.returned, self.inputs, context.resolved.spec.norm, context.eps)
        adversarial = self.returned.detach()
        success, unknown = torch.zeros_like(self.attempts), self.attempts
        if context.resolved.freezes:  # a frozen row is done: it was seen fooled where it stood
            success, unknown = meter.fooled, self.attempts & ~meter.fooled
            adversarial = torch.where(success.view(-1, 1, 1, 1), meter.adversarial, adversarial)
        index = unknown.nonzero().squeeze(1)
        if len(index):
            logits = padded(context.classifier, adversarial[index], context.row_floor)
            ball.check_logits(logits)
            success[index] = logits.argmax(1) != self.labels[index]
        # what the last gradient achieved shows only now; one more than the budget stands for never
        never = (meter.gradients if context.budget is None else context.budget) + 1
        late = torch.where(success, meter.gradients, never)
        effort = torch.where(meter.fooled, meter.effort, late)
        noise = torch.full(success.shape, torch.nan, dtype=torch.float64)
        if bool(success.any()):
            noise[success.cpu()] = noise_rate(self.inputs[success], adversarial[success]).cpu()
        if self.look is not None:
            self.look(self.inputs, adversarial)
        return Outcome(success.cpu(), effort.cpu(), noise, meter.gradients, meter.rows)


RunRounds = Callable[[Sequence[Round]], None]


def run_in_order(rounds: Sequence[Round]) -> None:
    """One round after the other."""
    for one in rounds:
        one.before()
        one()
        one.after()

"""Rounds of an attack that is called with a whole batch: a library's, or the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.norms import norm_of
from pytest_robustness.evaluate.meter import Exhausted, Meter
from pytest_robustness.evaluate.models.classifier import padded
from pytest_robustness.evaluate.rounds import Outcome, Timed, moved, noise_of
from pytest_robustness.evaluate.runtime.errors import user_code
from pytest_robustness.evaluate.runtime.seeding import seeded


@dataclass(eq=False)
class BatchRound(Timed):
    """Runs the attack on one batch, which is kept from ``before`` to ``after``.

    Attributes:
        batch: the batch's place in the image set.
        correct: (n,) bool, on the CPU, which images are attempts.
    """

    batch: slice = field(kw_only=True)
    correct: Tensor = field(kw_only=True)

    def before(self) -> None:
        context = self.context
        classifier, resolved = context.classifier, context.resolved
        self.inputs, self.labels = context.images.batch(self.batch, classifier.device, classifier.dtype)
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
        self.time_unit(self.unit_before)

    def __call__(self) -> None:
        self.attack_seconds = self.context.clock.seconds(self._attack)

    def after(self) -> None:
        self.time_unit(self.unit_after)
        with torch.no_grad():
            self.outcomes = [self._look()]
        del self.inputs, self.labels, self.attempts, self.meter, self.attack, self.given, self.returned
        self.finished(int(self.correct.sum()))

    def _attack(self) -> None:
        with seeded(self.context.seed, self.batch.start), user_code(f"the attack {self.context.resolved.spec.path}"):
            try:
                self.returned = self.attack(*self.given)
            except Exhausted:
                self.returned = self.meter.adversarial

    def _look(self) -> Outcome:
        """Look at the answers in a plain forward and return their outcome."""
        context, meter = self.context, self.meter
        adversarial = ball.check_adversarial(self.returned, self.inputs, context.resolved.spec.norm, context.eps)
        if context.resolved.freezes:  # a frozen row's answer is the image that fooled the model
            adversarial = torch.where(meter.fooled.view(-1, 1, 1, 1), meter.adversarial, adversarial)
        one_colour = self.attempts & ball.is_constant(adversarial, self.inputs)
        looked = self.attempts & moved(self.inputs, adversarial) & ~one_colour
        index = looked.nonzero().squeeze(1)
        fooled = torch.zeros_like(self.attempts)
        self.rows, self.gradient_rows = meter.rows + len(index), meter.gradient_rows
        if len(index):
            logits = padded(context.classifier, adversarial[index], context.row_floor)
            ball.check_logits(logits)
            fooled[index] = logits.argmax(1) != self.labels[index]
        distance = self._distance(adversarial, fooled)
        if distance is not None and context.resolved.bounded:
            fooled = fooled & (distance <= context.eps)
        mine = self.correct.nonzero().squeeze(1)
        on_device = mine.to(adversarial.device)
        context.show(mine + self.batch.start, self.inputs[on_device], adversarial[on_device])
        return Outcome(
            places=mine + self.batch.start,
            success=fooled.cpu()[mine],
            noise=noise_of(self.inputs, adversarial, fooled)[mine],
            effort=self._effort(fooled)[mine] if self._tells_effort else None,
            distance=None if distance is None else distance.cpu()[mine],
            one_colour=int(one_colour.sum()),
        )

    @property
    def _tells_effort(self) -> bool:
        """Return whether first successes were noticed to the end, so that efforts are known.

        They were not when a forward did not pair with the batch's rows.
        """
        watched = self.context.resolved.watched and not self.meter.withdrawn
        return watched and self.context.budget is not None

    def _effort(self, fooled: Tensor) -> Tensor:
        """Return gradient evaluations until each image's first success, (n,) on the CPU.

        A success by the last gradient shows only in the look at the answer, and counts as all gradients. One more than
        the budget stands for no success.
        """
        meter = self.meter
        assert self.context.budget is not None
        late = torch.where(fooled, meter.gradients, self.context.budget + 1)
        return torch.where(meter.fooled, meter.effort, late).cpu()

    def _distance(self, adversarial: Tensor, fooled: Tensor) -> Tensor | None:
        norm = self.context.resolved.distance_norm
        if norm is None:
            return None
        size = norm_of(adversarial - self.inputs, norm).double()
        return torch.where(fooled, size, torch.nan)

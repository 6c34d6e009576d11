"""Rounds of an attack that treats each image for itself. All of them advance one active batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pytest_robustness.evaluate.active_batch import NEVER, ActiveBatch, Answers
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.norms import norm_of
from pytest_robustness.evaluate.rounds import Outcome, RunContext, Timed, moved, noise_of
from pytest_robustness.evaluate.runtime.errors import user_code


def active_batch(context: RunContext, places: Sequence[int]) -> ActiveBatch:
    """Return the active batch that runs a case's attack on some of its images."""
    classifier, images = context.classifier, context.images
    name = f"the attack {context.resolved.spec.path}"
    with user_code(name):
        attack = context.resolved.build_rows()

    def load(some: Sequence[int]) -> tuple[Tensor, Tensor]:
        return images.batch(some, classifier.device, classifier.dtype)

    return ActiveBatch(
        attack,
        classifier,
        load,
        images.keys,
        places,
        seed=context.seed,
        capacity=context.batch_size,
        row_floor=context.row_floor,
        stops=context.resolved.freezes,
        name=name,
    )


@dataclass(eq=False)
class RowRound(Timed):
    """Advances the active batch until as many more images are done as a batch has."""

    batch: ActiveBatch = field(kw_only=True)

    def before(self) -> None:
        self.time_unit(self.unit_before)

    def __call__(self) -> None:
        self.attack_seconds = self.context.clock.seconds(self._advance)

    def _advance(self) -> None:
        before = self.batch.counts()
        self.answers = self.batch.advance(self.context.batch_size)
        counts = zip(self.batch.counts(), before, strict=True)
        self.rows, self.gradient_rows, self.padding = (now - then for now, then in counts)

    def after(self) -> None:
        self.time_unit(self.unit_after)
        with torch.no_grad():
            self.outcomes = [self._outcome(one) for one in self.answers]
        self.finished(sum(len(one.place) for one in self.answers))
        del self.answers

    def _outcome(self, answers: Answers) -> Outcome:
        context, clean = self.context, answers.clean
        norm, budget = context.resolved.distance_norm, context.budget
        kept_to = None if norm else context.resolved.spec.norm
        adversarial = ball.check_adversarial(answers.adversarial, clean, kept_to, context.eps)
        success, distance = answers.fooled & moved(clean, adversarial), None
        if norm is not None:
            size = norm_of(adversarial - clean, norm).double()
            distance = torch.where(success, size, torch.nan).cpu()
            success = success & (size <= context.eps)
        context.show(answers.place, clean, adversarial)
        digest = getattr(self.batch.attack, "digest", None)
        return Outcome(
            places=answers.place,
            success=success.cpu(),
            noise=noise_of(clean, adversarial, success),
            effort=None if not budget else torch.where(answers.first == NEVER, budget + 1, answers.first).cpu(),
            distance=distance,
            forwards=answers.forwards.cpu(),
            gradients=answers.gradients.cpu(),
            pixels=[digest(image) for image in adversarial.cpu()] if digest else None,
        )

"""Checks that cost minutes, not seconds: a stronger attack, one without gradients, and the suite's own attacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.active_batch import ActiveBatch
from pytest_robustness.evaluate.attacks import ball
from pytest_robustness.evaluate.attacks.registry import ATTACKS, ResolvedAttack
from pytest_robustness.evaluate.health.finding import Checks, Subject
from pytest_robustness.evaluate.health.pgd import reference_pgd
from pytest_robustness.evaluate.meter import Meter
from pytest_robustness.evaluate.models.classifier import Frozen
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.records.finding import Finding

#: The share of all images that Square may fool although PGD did not.
BLACK_BOX = 0.05
QUERIES = 1000
#: The share of images that a stronger PGD may fool in addition.
MORE = 0.15
STEPS, STEP_SHARES = 50, (1 / 4, 1 / 10, 1 / 25)  # steps of each restart; step sizes, one a restart, as shares of eps
#: The number added to every logit, and the share of images that an attack may fool more or less because of it.
SHIFT, SHIFTED = -50.0, 0.05


def black_box(subject: Subject) -> Finding:
    """Check that an attack without gradients fools hardly any image that PGD does not fool."""
    missed = (~stronger(subject)).nonzero().squeeze(1)
    fooled = torch.zeros_like(missed, dtype=torch.bool)
    if len(missed):
        left = replace(subject, images=subject.images[missed], labels=subject.labels[missed])
        square = ResolvedAttack(ATTACKS["Square"], "full", {"eps": subject.eps, "queries": QUERIES})
        fooled, _ = run(left, square, ShiftedLogits(left))
    return Finding(
        check="black box",
        passed=int(fooled.sum()) <= BLACK_BOX * len(subject),
        numbers=f"Square, {QUERIES} queries, fools {int(fooled.sum())} of the {len(missed)} of {len(subject)} "
        "images that PGD "
        "missed",
        meaning="gradient masking: an attack that sees only logits should not find what gradients do not lead to",
        advice="Add Square to the suite, and do not believe its gradient attacks alone",
    )


def more_effort(subject: Subject) -> Finding:
    """Check that more steps and restarts change little, which means that the attack has converged."""
    found = stronger(subject)
    gained = subject.fraction(found) - subject.fraction(subject.pgd)
    return Finding(
        check="more effort",
        passed=gained <= MORE,
        numbers=f"PGD of 10 steps fools {int(subject.pgd.sum())} of {len(subject)} images, of {STEPS} steps and from "
        f"{len(STEP_SHARES)} more starts {int(found.sum())}",
        meaning="a surface too rugged for the attack: gradient masking, or steps that are too few or too large",
        advice="Give the suite's attack more steps until its success rate settles",
    )


def shifted(subject: Subject) -> Finding:
    """Check that a constant added to every logit does not change what the suite's attacks find.

    It does not change the model's decisions either.
    """
    worst = []
    for name, attack in subject.attacks.items():
        plain, moved = (run(subject, attack, ShiftedLogits(subject, shift)) for shift in (0.0, SHIFT))
        worst.append((int(plain[0].sum()) - int(moved[0].sum()), name))
    changed = [f"{name} {change:+d}" for change, name in worst if abs(change) > SHIFTED * len(subject)]
    return Finding(
        check="shifted logits",
        passed=not changed,
        numbers=f"with {SHIFT:g} added to each logit attacks fool as many of {len(subject)} images"
        + (f", but for {', '.join(changed)}" if changed else ""),
        meaning="an attack whose loss is wrong, as torchattacks' C&W is for negative logits",
        advice="Use an attack that looks at differences of logits only",
    )


def kept(subject: Subject) -> Finding:
    """Check that the suite's attacks stay in their ball, in [0, 1] and within their budget of gradients."""
    broken = [
        f"{name}: {problem}" for name, attack in subject.attacks.items() for problem in _breaches(subject, attack)
    ]
    return Finding(
        check="budget and box",
        passed=not broken,
        numbers="; ".join(broken) or _checked(subject),
        meaning="an attack that does not do what its parameters say, so its success rate is another attack's",
        advice="Mend the attack, or say its true parameters",
    )


def _checked(subject: Subject) -> str:
    """Return which properties were checked for which attacks, and which were not because they are not known."""
    checks = {
        "in [0, 1]": list(subject.attacks),
        "in their ball": [name for name, one in subject.attacks.items() if one.spec.norm is not None],
        "within their budget": [name for name, one in subject.attacks.items() if one.spec.budget is not None],
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in checks.items() if names) + _unchecked(subject)


def _unchecked(subject: Subject) -> str:
    balls = [name for name, one in subject.attacks.items() if one.spec.norm is None and "eps" in one.parameters()]
    budgets = [name for name, one in subject.attacks.items() if one.spec.budget is None]
    told = {"the ball": balls, "the budget": budgets}
    said = [f"{what} of {', '.join(names)}" for what, names in told.items() if names]
    return f"; not known, so not checked: {' and '.join(said)}" if said else ""


def stronger(subject: Subject) -> Tensor:
    """Return (N,) bool, which images are fooled by PGD, or by a PGD of more steps from several starts.

    The sizes of its steps range from small to large.
    """
    found = subject.pgd.clone()
    for restart, share in enumerate(STEP_SHARES):
        left = (~found).nonzero().squeeze(1)
        if not len(left):
            break
        found[left] = reference_pgd(
            subject.classifier,
            subject.images[left],
            subject.labels[left],
            eps=subject.eps,
            steps=STEPS,
            step=subject.eps * share,
            start=subject.seed + 1 + restart,
            loss=subject.loss,
        )
    return found


def _breaches(subject: Subject, attack: ResolvedAttack) -> Iterator[str]:
    try:
        _, gradients = run(subject, attack, ShiftedLogits(subject))
    except RobustnessError as error:
        yield str(error)
        return
    budget = attack.spec.budget(attack.parameters()) if attack.spec.budget else None
    if budget is not None and gradients > budget:
        yield f"{gradients} gradient evaluations, not {budget}"


class ShiftedLogits(Frozen):
    """Wraps the subject's classifier as the module that attacks take, and adds a constant to its logits."""

    def __init__(self, subject: Subject, shift: float = 0.0) -> None:
        super().__init__()
        self.logits_of, self.shift = subject.classifier, shift

    def forward(self, images: Tensor) -> Tensor:
        return self.logits_of(images) + self.shift


def run(subject: Subject, attack: ResolvedAttack, model: Frozen) -> tuple[Tensor, int]:
    """Run all steps of an attack of the suite; return which images it fools, (N,) bool, and its number of gradients.

    Raises RobustnessError for an answer outside of its ball or of [0, 1].
    """
    parameters = attack.parameters()
    eps, norm = float(parameters.get("eps", 0)), attack.spec.norm
    with seeded(subject.seed, "health"):
        found, gradients = _by_row(subject, attack, model) if attack.by_row else _whole(subject, attack, model, eps)
    found = ball.check_adversarial(found, subject.images, norm, eps)
    with torch.no_grad():
        return model(found.detach()).argmax(1) != subject.labels, gradients


def _by_row(subject: Subject, attack: ResolvedAttack, model: Frozen) -> tuple[Tensor, int]:
    def load(places: Sequence[int]) -> tuple[Tensor, Tensor]:
        return subject.images[list(places)], subject.labels[list(places)]

    count = len(subject)
    batch = ActiveBatch(
        attack.build_rows(),
        model,
        load,
        [sha256(str(place).encode()).hexdigest() for place in range(count)],
        range(count),
        seed=subject.seed,
        capacity=count,
        row_floor=subject.row_floor,
        stops=False,
    )
    found, gradients = subject.images.clone(), 0
    for answers in batch.advance(count):
        found[answers.place.to(found.device)] = answers.adversarial
        gradients = max(gradients, int(answers.gradients.max()))
    return found, gradients


def _whole(subject: Subject, attack: ResolvedAttack, model: Frozen, eps: float) -> tuple[Tensor, int]:
    meter = Meter(
        model,
        subject.images,
        subject.labels,
        torch.ones_like(subject.labels, dtype=torch.bool),
        candidates=attack.watched,
        freeze=False,
        ball=lambda candidates, clean: ball.within(candidates, clean, attack.spec.norm, eps),
        row_floor=subject.row_floor,
    )
    return attack.build(meter)(subject.images.clone(), subject.labels.clone()), meter.gradients


HEAVY: Checks = (black_box, more_effort, shifted, kept)

"""The same attack, by this package and by its peers, each as its users call it, success check included.

Epsilon, step size, steps, learning rate and c are the same everywhere; where a library searches over c, it gets one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from unittest.mock import patch

import torch
from pytest_robustness.evaluate import rounds
from pytest_robustness.evaluate.attacks.registry import resolve
from pytest_robustness.evaluate.rounds import Round, RunContext
from pytest_robustness.evaluate.runtime.clock import CpuClock
from pytest_robustness.suite.suite import Attack, Case, Images, Model, Suite
from torch import Tensor, nn
from torch.nn import functional

from speed_parts.subjects import Subject

EPS, ALPHA = 0.01, 0.0025
C, LR = 1.0, 0.01
OURS, FLOOR, PLAIN = "pytest-robustness", "floor", "torchattacks"
ROW_FLOOR = 16  # of a suite that does not set it; a batch of fewer images is its own


@dataclass
class Result:
    """What a run achieved: the share of images fooled; and of ours, how often each image was computed, on average."""

    success: float
    computed: float | None = None


#: Attacks a batch, once a call. What is done once for all batches is done as the block begins and ends.
Contestant = Callable[[], AbstractContextManager[Callable[[], Result]]]


@dataclass(frozen=True)
class Attacked:
    """One attack with its settings, as a table row."""

    name: str
    kind: str
    stop: str
    steps: int

    @property
    def keys(self) -> dict[str, object]:
        if self.kind == "FGSM":
            return {"eps": EPS}
        if self.kind == "PGD":
            return {"eps": EPS, "alpha": ALPHA, "steps": self.steps, "random_start": True}
        return {"c": C, "kappa": 0, "steps": self.steps, "lr": LR}


ATTACKS = (
    Attacked("FGSM", "FGSM", "full", 1),
    Attacked("PGD-10, all steps", "PGD", "full", 10),
    Attacked("PGD-10, first success", "PGD", "first-success", 10),
    Attacked("C&W-50", "CW", "patience", 50),
)


#: Attacks one batch, as its library's users do.
Peer = Callable[[Subject, Attacked], Result]


def contestants(subject: Subject, attack: Attacked) -> dict[str, Contestant]:
    """By name. Peers that are not installed are left out."""
    found: dict[str, Contestant] = {
        OURS: partial(ours, subject.twin(), attack),
        FLOOR: partial(floor, subject.twin()),
        PLAIN: _each(torchattacks, subject, attack),
    }
    if attack.stop != "first-success":  # what is left of it is told from our own
        found |= {
            name: _each(peer, subject, attack)
            for name, (module, peer) in PEERS.items()
            if find_spec(module) is not None and (name, attack.kind) not in MISSING
        }
    return found


def _each(peer: Peer, subject: Subject, attack: Attacked) -> Contestant:
    return lambda: nullcontext(partial(peer, subject, attack))


@contextmanager
def ours(subject: Subject, attack: Attacked) -> Iterator[Callable[[], Result]]:
    """Rounds as a case runs them, but for noise rates and gradient units, which peers do not have."""
    suite = Suite.model_construct(
        path=None,
        models={"it": Model.model_construct(source="", weights=None, normalisation=None)},
        attacks={"it": Attack(attack=attack.kind, stop=attack.stop, **attack.keys)},
        images=Images.model_construct(),
    )
    count = len(subject.labels)
    with (
        subject.classifier() as classifier,
        patch.object(rounds, "noise_rate", lambda clean, _: torch.zeros(len(clean), dtype=torch.float64)),
    ):
        setting = RunContext(
            resolved=resolve(Case(suite, "it", "it")),
            classifier=classifier,
            images=subject.image_set,
            clock=CpuClock(),
            eps=EPS if attack.kind != "CW" else 0.0,
            budget=attack.steps,
            row_floor=min(ROW_FLOOR, count),
            seed=0,
        )

        def run() -> Result:
            one = _Untimed(setting, slice(0, count), torch.ones(count, dtype=torch.bool), _none)
            rounds.run_in_order([one])
            return Result(float(one.outcome.success.double().mean()), one.outcome.rows / count)

        yield run


class _Untimed(Round):
    """A round without gradient units."""

    def _unit(self) -> None:
        """Nothing to compare with."""


def _none(done: int) -> None:
    """Nobody is told."""


@contextmanager
def floor(subject: Subject) -> Iterator[Callable[[], Result]]:
    """One gradient unit a batch: a forward and backward to the input, parameters frozen."""
    with subject.classifier() as classifier:

        def run() -> Result:
            inputs = subject.images.clone().requires_grad_()
            torch.autograd.grad(functional.cross_entropy(classifier(inputs), subject.labels), inputs)
            return Result(0.0)

        yield run


def torchattacks(subject: Subject, attack: Attacked) -> Result:
    import torchattacks as library

    model = subject.plain
    adversarial = getattr(library, attack.kind)(model, **attack.keys)(subject.images, subject.labels)
    return _checked(model, adversarial, subject)


@torch.no_grad()
def _checked(model: nn.Module, adversarial: Tensor, subject: Subject) -> Result:
    return Result(float((model(adversarial).argmax(1) != subject.labels).double().mean()))


def foolbox(subject: Subject, attack: Attacked) -> Result:
    import foolbox.attacks as library
    from foolbox import PyTorchModel

    model = PyTorchModel(subject.plain, bounds=(0, 1), device="cpu")
    found = {
        "FGSM": lambda: library.FGSM(),
        "PGD": lambda: library.LinfPGD(abs_stepsize=ALPHA, steps=attack.steps, random_start=True),
        "CW": lambda: library.L2CarliniWagnerAttack(1, steps=attack.steps, stepsize=LR, initial_const=C),
    }[attack.kind]()
    _, _, success = found(model, subject.images, subject.labels, epsilons=None if attack.kind == "CW" else EPS)
    return Result(float(success.double().mean()))


def art(subject: Subject, attack: Attacked) -> Result:
    import art.attacks.evasion as library
    from art.estimators.classification import PyTorchClassifier

    model, count = subject.plain, len(subject.labels)
    shape = tuple(subject.images.shape[1:])
    estimator = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), shape, subject.classes, clip_values=(0, 1), device_type="cpu"
    )
    found = {
        "FGSM": lambda: library.FastGradientMethod(estimator, eps=EPS, batch_size=count),
        "PGD": lambda: library.ProjectedGradientDescentPyTorch(
            estimator,
            eps=EPS,
            eps_step=ALPHA,
            max_iter=attack.steps,
            num_random_init=1,
            batch_size=count,
            verbose=False,
        ),
        "CW": lambda: library.CarliniL2Method(
            estimator,
            learning_rate=LR,
            binary_search_steps=1,
            max_iter=attack.steps,
            initial_const=C,
            batch_size=count,
            verbose=False,
        ),
    }[attack.kind]()
    adversarial = found.generate(subject.images.numpy(), subject.labels.numpy())
    return _checked(model.eval(), torch.from_numpy(adversarial), subject)


def adv_lib(subject: Subject, attack: Attacked) -> Result:
    from adv_lib import attacks as library

    model, given = subject.plain, (subject.images, subject.labels)
    if attack.kind == "CW":
        adversarial = library.carlini_wagner_l2(
            model, *given, learning_rate=LR, initial_const=C, binary_search_steps=1, max_iterations=attack.steps
        )
    else:
        adversarial = library.pgd_linf(model, *given, EPS, steps=attack.steps, absolute_step_size=ALPHA)
    return _checked(model, adversarial, subject)


PEERS: Mapping[str, tuple[str, Peer]] = {
    "adv-lib": ("adv_lib", adv_lib),
    "foolbox": ("foolbox", foolbox),
    "ART": ("art", art),
}
MISSING = frozenset({("adv-lib", "FGSM")})

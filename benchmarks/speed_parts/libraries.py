"""The same attacks by other libraries, each called as its users call it, success check included.

Epsilon, step size, steps, learning rate and c are the same everywhere; where a library searches over c, it gets one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from speed_parts.attacks import (
    ALPHA,
    APGD_STEPS,
    CW_STEPS,
    DECAY,
    EPS,
    LR,
    MINIMAL_STEPS,
    QUERIES,
    RESTARTS,
    STEPS,
    C,
)


@dataclass(frozen=True)
class Batch:
    """What an attack is called with.

    Attributes:
        model: (n, C, H, W) in [0, 1] -> (n, classes) logits.
        images, labels: (n, C, H, W), (n,).
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    classes: int


@dataclass(frozen=True)
class Answer:
    """Images, (n, C, H, W), and which of them fool the model, (n,) bool."""

    adversarial: Tensor
    fooled: Tensor


#: The second is None where the library does not tell.
Call = Callable[[Batch], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Library:
    """What a library is imported as, and how its attacks are called, by ``Compared.call``."""

    module: str
    calls: Mapping[str, Call]

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None


def answer(call: Call, batch: Batch) -> Answer:
    """Attack, and look whether that fools the model, unless the library did."""
    adversarial, fooled = call(batch)
    if fooled is None:
        with torch.no_grad():
            fooled = batch.model.eval()(adversarial).argmax(1) != batch.labels
    return Answer(adversarial, fooled)


def _torchattacks(name: str, **given: Any) -> Call:
    def call(batch: Batch) -> tuple[Tensor, None]:
        import torchattacks

        return getattr(torchattacks, name)(batch.model, **given)(batch.images, batch.labels), None

    return call


def _foolbox(name: str, times: int = 1, minimal: bool = False, **given: Any) -> Call:
    def call(batch: Batch) -> tuple[Tensor, Tensor]:
        import foolbox

        attack = getattr(foolbox.attacks, name)(**given)
        if times > 1:
            attack = attack.repeat(times)
        model = foolbox.PyTorchModel(batch.model, bounds=(0, 1), device="cpu")
        _, clipped, fooled = attack(model, batch.images, batch.labels, epsilons=None if minimal else EPS)
        return clipped, fooled

    return call


def _adv_lib(name: str, *ball: float, **given: Any) -> Call:
    def call(batch: Batch) -> tuple[Tensor, None]:
        if "visdom" not in sys.modules and find_spec("visdom") is None:
            sys.modules["visdom"] = _no_visdom()
        from adv_lib import attacks

        return getattr(attacks, name)(batch.model, batch.images, batch.labels, *ball, **given), None

    return call


def _no_visdom() -> ModuleType:
    """A web server that adv-lib imports and that these attacks never call."""
    module = ModuleType("visdom")
    module.Visdom = object  # type: ignore[attr-defined]
    return module


def _pyautoattack(module: str, name: str, **given: Any) -> Call:
    def call(batch: Batch) -> tuple[Tensor, None]:
        attack = getattr(import_module(f"pyautoattack.{module}"), name)
        return attack(batch.model, norm="Linf", eps=EPS, device="cpu", **given).perturb(
            batch.images, batch.labels
        ), None

    return call


def _art(name: str, **given: Any) -> Call:
    def call(batch: Batch) -> tuple[Tensor, None]:
        import art.attacks.evasion as library
        from art.estimators.classification import PyTorchClassifier

        shape = tuple(batch.images.shape[1:])
        estimator = PyTorchClassifier(
            batch.model, nn.CrossEntropyLoss(), shape, batch.classes, clip_values=(0, 1), device_type="cpu"
        )
        attack = getattr(library, name)(estimator, batch_size=len(batch.labels), **given)
        return torch.from_numpy(attack.generate(batch.images.numpy(), batch.labels.numpy())), None

    return call


_STEPPED = {"eps": EPS, "alpha": ALPHA, "steps": STEPS}
_FOOLBOX_STEPPED = {"abs_stepsize": ALPHA, "steps": STEPS}

TORCHATTACKS, ADV_LIB = "torchattacks", "adv-lib"

LIBRARIES: Mapping[str, Library] = {
    TORCHATTACKS: Library(
        "torchattacks",
        {
            "fgsm": _torchattacks("FGSM", eps=EPS),
            "bim": _torchattacks("BIM", **_STEPPED),
            "mifgsm": _torchattacks("MIFGSM", **_STEPPED, decay=DECAY),
            "pgd": _torchattacks("PGD", **_STEPPED, random_start=True),
            "apgd": _torchattacks("APGD", eps=EPS, steps=APGD_STEPS),
            "square": _torchattacks("Square", eps=EPS, n_queries=QUERIES),
            "cw": _torchattacks("CW", c=C, kappa=0, steps=CW_STEPS, lr=LR),
        },
    ),
    "foolbox": Library(
        "foolbox",
        {
            "fgsm": _foolbox("FGSM"),
            "bim": _foolbox("LinfBasicIterativeAttack", **_FOOLBOX_STEPPED),
            "mifgsm": _foolbox("MIFGSM", **_FOOLBOX_STEPPED, momentum=DECAY),
            "pgd": _foolbox("LinfPGD", **_FOOLBOX_STEPPED, random_start=True),
            "pgd-restarts": _foolbox("LinfPGD", times=RESTARTS, **_FOOLBOX_STEPPED, random_start=True),
            "fmn-inf": _foolbox("LInfFMNAttack", minimal=True, steps=MINIMAL_STEPS),
            "fmn-2": _foolbox("L2FMNAttack", minimal=True, steps=MINIMAL_STEPS),
            "ddn": _foolbox("DDNAttack", minimal=True, steps=MINIMAL_STEPS),
            "cw": _foolbox(
                "L2CarliniWagnerAttack",
                minimal=True,
                binary_search_steps=1,
                steps=CW_STEPS,
                stepsize=LR,
                initial_const=C,
            ),
        },
    ),
    ADV_LIB: Library(
        "adv_lib",
        {
            "pgd": _adv_lib("pgd_linf", EPS, steps=STEPS, absolute_step_size=ALPHA),
            "pgd-restarts": _adv_lib("pgd_linf", EPS, steps=STEPS, absolute_step_size=ALPHA, restarts=RESTARTS),
            "apgd": _adv_lib("apgd", EPS, norm=float("inf"), n_iter=APGD_STEPS, loss_function="ce"),
            "fmn-inf": _adv_lib("fmn", norm=float("inf"), steps=MINIMAL_STEPS),
            "fmn-2": _adv_lib("fmn", norm=2.0, steps=MINIMAL_STEPS),
            "ddn": _adv_lib("ddn", steps=MINIMAL_STEPS, levels=None),
            "cw": _adv_lib(
                "carlini_wagner_l2", learning_rate=LR, initial_const=C, binary_search_steps=1, max_iterations=CW_STEPS
            ),
        },
    ),
    "pyautoattack": Library(
        "pyautoattack",
        {
            "apgd": _pyautoattack("autopgd_base", "APGDAttack", n_iter=APGD_STEPS, loss="ce"),
            "square": _pyautoattack("square", "SquareAttack", n_queries=QUERIES),
        },
    ),
    "ART": Library(
        "art",
        {
            "fgsm": _art("FastGradientMethod", eps=EPS),
            "pgd": _art(
                "ProjectedGradientDescentPyTorch",
                eps=EPS,
                eps_step=ALPHA,
                max_iter=STEPS,
                num_random_init=1,
                verbose=False,
            ),
            "cw": _art(
                "CarliniL2Method",
                learning_rate=LR,
                binary_search_steps=1,
                max_iter=CW_STEPS,
                initial_const=C,
                verbose=False,
            ),
        },
    ),
}


def call_of(library: str, attack: str) -> Call | None:
    """How a library's attack is called; None where it has none, or is not installed."""
    found = LIBRARIES[library]
    return found.calls.get(attack) if found.installed else None

"""Attacks of the Adversarial Robustness Toolbox: ``art:ProjectedGradientDescent``.

Source: Nicolae et al., "Adversarial Robustness Toolbox v1.0.0", 2018; version 1.20.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from pytest_robustness.evaluate.attacks.base import AttackSpec
from pytest_robustness.evaluate.attacks.libraries.base import AttackLibrary, Batch
from pytest_robustness.evaluate.attacks.libraries.specs import ALL, counted, smallest, watched

STEP = ("eps_step",)
#: Attacks that take labels as targets. They get no labels, and then draw targets themselves.
TARGETS = frozenset({"SaliencyMapMethod"})


def _one(parameters: Mapping[str, Any]) -> int:
    return max(1, int(parameters["num_random_init"]))


def _iterations(parameters: Mapping[str, Any]) -> int:
    return int(parameters["max_iter"]) * max(1, int(parameters.get("num_random_init", 0)))


SPECS: Mapping[str, AttackSpec] = {
    "FastGradientMethod": watched("inf", _one, norms=ALL),
    "BasicIterativeMethod": watched("inf", _iterations, STEP),
    "MomentumIterativeMethod": watched("inf", _iterations, STEP, norms=ALL),
    "ProjectedGradientDescent": watched("inf", _iterations, STEP, norms=ALL),
    "ProjectedGradientDescentNumpy": watched("inf", _iterations, STEP, norms=ALL),
    "ProjectedGradientDescentPyTorch": watched("inf", _iterations, STEP, norms=ALL),
    "AutoProjectedGradientDescent": counted("inf", STEP, norms=ALL),
    "AutoConjugateGradient": counted("inf", STEP, norms=ALL),
    "RescalingAutoConjugateGradient": counted("inf", STEP, norms=ALL),
    "SquareAttack": counted("inf", norms=("inf", "2")),
    "UniversalPerturbation": counted("inf", norms=ALL),
    "CarliniL0Method": smallest(),
    "CarliniL2Method": smallest("2"),
    "CarliniLInfMethod": smallest("inf"),
    "DeepFool": smallest("2"),
    "ElasticNet": smallest("1"),
    "NewtonFool": smallest("2"),
    "BoundaryAttack": smallest("2"),
    "HopSkipJump": smallest("2", norms=("inf", "2")),
    "SignOPTAttack": smallest("2"),
    "SaliencyMapMethod": smallest(),
    "PixelAttack": smallest(),
    "SpatialTransformation": smallest(),
}


class Art(AttackLibrary):
    """Calls ART's attacks, which are classes that take ART's own wrapper of a model and work on arrays.

    The wrapper is given the loss that gradients are of. It gets no optimiser, because nothing is trained.
    """

    name, distribution, extra = "art", "adversarial-robustness-toolbox", "art"
    #: Objects of the library, other radii than the suite's, and SimBA's ``attack``, which is a key of suites.
    hidden = frozenset(
        {
            "adv_criterion",
            "attack",
            "attacker_params",
            "loss",
            "mask",
            "minimal",
            "parallel_pool_size",
            "random_eps",
            "summary_writer",
        }
    )
    specs = SPECS

    def find(self, name: str) -> Callable[..., Any] | None:
        found = getattr(self.module(".attacks.evasion"), name, None)
        return found if isinstance(found, type) else None

    def norm(self, name: str, norm: str) -> Any:
        return float("inf") if norm == "inf" else int(norm)

    def run(self, name: str, batch: Batch, parameters: Mapping[str, Any], eps: float | None) -> Any:
        import torch

        images = batch.images
        with torch.cuda.device(images.device) if images.is_cuda else nullcontext():  # ART uses the current device
            classifier = self.module(".estimators.classification").PyTorchClassifier(
                _in_dtype(batch.model, images.dtype),
                torch.nn.CrossEntropyLoss(),
                tuple(images.shape[1:]),
                batch.classes,
                clip_values=(0.0, 1.0),
                device_type="gpu" if images.is_cuda else "cpu",
            )
            attack = getattr(self.module(".attacks.evasion"), name)(classifier, **parameters)
            labels = None if name in TARGETS else batch.labels.cpu().numpy()
            adversarial = attack.generate(images.cpu().numpy(), labels)
        return torch.from_numpy(adversarial).to(images.device)


def _in_dtype(model: Any, dtype: Any) -> Any:
    """Return the model as a module that takes images of any precision.

    Some of ART's attacks draw their images in float64.
    """
    from torch import Tensor, nn

    class InDtype(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Tensor) -> Tensor:
            return self.model(images.to(dtype))  # type: ignore[no-any-return]

    return InDtype()


LIBRARY = Art()

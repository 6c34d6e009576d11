"""Protocol and provenance, stored beside a case's evidence: what was done, to which model, with what."""

from __future__ import annotations

from importlib.metadata import version

import torch

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.registry import ResolvedAttack, resolve
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.images.load import decoder
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.identity import Identity
from pytest_robustness.evaluate.models.sources import preprocessing_of
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.records.protocol import Batch, Parameter, Protocol
from pytest_robustness.records.provenance import Provenance
from pytest_robustness.suite.suite import Case


def parameters_of(case: Case, resolved: ResolvedAttack) -> dict[str, Parameter]:
    """Return every parameter of a case's attack. Raises RobustnessError, which names the suite's key."""
    try:
        return resolved.parameters()
    except RobustnessError as error:
        key, _, problem = str(error).partition(": ")
        raise case.error(f"attacks.{case.attack_name}.{key}", problem) from None


def protocol_of(case: Case, images: ImageSet) -> Protocol:
    """Return the protocol: all that must be equal before another measurement may be compared with this one."""
    suite = case.suite
    if case.ensemble is None:
        resolved = resolve(case)
        parameters, by_row = parameters_of(case, resolved), resolved.by_row  # first: its errors name the suite's key
        attack, stop, norm = resolved.spec.identity, resolved.stop, resolved.distance_norm
        if by_row and hasattr(built := resolved.build_rows(), "of_shape"):
            parameters |= built.of_shape(images.shape)
    else:
        members = [(member.attack_name, member, resolve(member)) for member in case.members()]
        attack, stop, norm = case.ensemble.attack, "first-success", None
        parameters = dict(case.ensemble.parameters)
        for name, member, one in members:
            parameters[f"{name}.attack"] = one.spec.identity
            parameters |= {f"{name}.{key}": value for key, value in parameters_of(member, one).items()}
        by_row = all(one.by_row for _, _, one in members)
    return Protocol(
        attack=attack,
        parameters=parameters,
        stop=stop,
        shape=list(images.shape),
        preprocessing=preprocessing_of(case) if suite.images.folder else None,
        labels="predicted" if suite.images.labels == "predicted" else None,
        seed=suite.seed,
        dtype=str(Classifier.dtype).removeprefix("torch."),
        memory_format=None if suite.memory_format == "contiguous" else suite.memory_format,
        distance=norm,
        batch=None if by_row else Batch(size=case.batch_size, images=images.identity.digest),
    )


def budget_of(case: Case) -> int | None:
    """Return how many gradient evaluations an image may cost. Returns None when it is not known."""
    if case.ensemble is not None:
        return None
    resolved = resolve(case)
    return resolved.budget(parameters_of(case, resolved))


def provenance_of(case: Case, known: Identity, device: torch.device, row_floor: int | None = None) -> Provenance:
    """Return where a measurement comes from."""
    libraries = dict.fromkeys(resolve(member).library() for member in case.members())
    return Provenance(
        device=devices.device_name(device),
        device_kind=device.type,
        model=case.model.name,
        weights_digest=known.weights_digest,
        code_digest=known.code_digest,
        plugin=version("pytest-robustness"),
        torch=torch.__version__,
        attacks=", ".join(libraries),
        images=decoder() if case.suite.images.folder else None,
        row_floor=row_floor,
        architecture=known.architecture,
    )

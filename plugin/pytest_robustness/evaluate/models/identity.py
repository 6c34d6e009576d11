"""A model's identity: its digests and its architecture."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch

from pytest_robustness.evaluate.models.architecture import architecture
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.digests import code_digest, state_digest
from pytest_robustness.evaluate.models.programs.base import Sealed
from pytest_robustness.records.provenance import Architecture
from pytest_robustness.suite.suite import Case

#: The code digest of a sealed model, whose code cannot be followed and is part of its fingerprint.
SEALED = sha256(b"sealed").hexdigest()


def model_key(case: Case, device: torch.device) -> Hashable:
    """Return a key that is equal for all cases of one model as long as the file of its weights does not change."""
    weights = case.model.file or case.model.weights
    state = weights.stat() if isinstance(weights, Path) and weights.is_file() else None
    return (
        case.suite.path,
        case.suite.memory_format,
        case.model_name,
        repr(case.model),
        state and (state.st_mtime_ns, state.st_size),
        str(device),
    )


def weights_digest_of(classifier: Classifier) -> str:
    """Return a digest of a model's weights and normalisation.

    For a sealed model it is a digest of its fingerprint, contract and normalisation.
    """
    if not isinstance(classifier.model, Sealed):
        digest, unseen = state_digest(classifier), classifier.contract.unseen
        return sha256(f"{digest} {unseen}".encode()).hexdigest() if unseen else digest
    known = (classifier.model.fingerprint, classifier.contract, classifier.mean.tolist(), classifier.std.tolist())
    return sha256(repr(known).encode()).hexdigest()


@dataclass(frozen=True)
class Identity:
    """Holds a model's digests and architecture. The code digest is None when the code cannot be followed."""

    weights_digest: str
    code_digest: str | None
    architecture: Architecture


def identity(classifier: Classifier, shape: tuple[int, ...], *, weights_digest: str | None = None) -> Identity:
    """Return the identity of a model that takes images of ``shape``, channels first."""
    sealed = isinstance(classifier.model, Sealed)
    return Identity(
        weights_digest=weights_digest or weights_digest_of(classifier),
        code_digest=SEALED if sealed else code_digest(classifier, shape, classifier.dtype),
        architecture=architecture(classifier, shape, classifier.device, classifier.dtype),
    )

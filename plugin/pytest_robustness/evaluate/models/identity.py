"""What a model is: its digests and its architecture."""

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

#: The digest of code that nothing can follow and that is in a fingerprint.
SEALED = sha256(b"sealed").hexdigest()


def model_key(case: Case, device: torch.device) -> Hashable:
    """Equal for the cases of one model, while the file of its weights stays what it is."""
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
    """Return what tells a model's weights, and its normalisation, from others; of a sealed model all it is."""
    if not isinstance(classifier.model, Sealed):
        return state_digest(classifier)
    known = (classifier.model.fingerprint, classifier.contract, classifier.mean.tolist(), classifier.std.tolist())
    return sha256(repr(known).encode()).hexdigest()


@dataclass(frozen=True)
class Identity:
    """What a model is; None for a code that cannot be followed."""

    weights_digest: str
    code_digest: str | None
    architecture: Architecture


def identity(classifier: Classifier, shape: tuple[int, ...], *, weights_digest: str | None = None) -> Identity:
    """Of a model that takes images of a shape, channels first."""
    sealed = isinstance(classifier.model, Sealed)
    return Identity(
        weights_digest=weights_digest or weights_digest_of(classifier),
        code_digest=SEALED if sealed else code_digest(classifier, shape, classifier.dtype),
        architecture=architecture(classifier, shape, classifier.device, classifier.dtype),
    )

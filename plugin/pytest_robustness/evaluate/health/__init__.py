"""Health checks: they find models that look robust only because the attacks on them fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.attacks.losses import scale_free_cross_entropy
from pytest_robustness.evaluate.attacks.registry import ResolvedAttack, resolve
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.health.cheap import CHEAP, OWN, accuracy
from pytest_robustness.evaluate.health.finding import Checks, Subject
from pytest_robustness.evaluate.health.heavy import HEAVY, kept, shifted
from pytest_robustness.evaluate.health.masking import MASKING
from pytest_robustness.evaluate.health.pgd import Loss, cross_entropy, transferable
from pytest_robustness.evaluate.images.image_set import ImageSet
from pytest_robustness.evaluate.images.load import attacked_images
from pytest_robustness.evaluate.loaded import loaded_classifier
from pytest_robustness.evaluate.models.classifier import Classifier, row_floor
from pytest_robustness.evaluate.models.identity import model_key
from pytest_robustness.evaluate.models.sources import preprocessing_of
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.extensions import extensions
from pytest_robustness.records.finding import Finding
from pytest_robustness.suite.suite import Case, Suite

__all__ = ["CHECKS", "Finding", "Level", "Subject", "check_masking", "examine", "masking_findings"]

Level = Literal["cheap", "heavy", "masking"]
CHECKS: dict[Level, Checks] = {"cheap": CHEAP, "heavy": HEAVY, "masking": MASKING}
#: The checks that a black box gets too: the others attack by gradients.
WITHOUT_GRADIENTS: Checks = (*OWN, shifted, kept)

#: How many images are checked, and how many are looked at to find them, at even distances in the image set.
IMAGES, TRIED = 40, 80
#: How many times as many more are looked at where these leave it in doubt whether one attack fools more than another.
MORE = 3
#: The radius when the suite has no attack in an L-infinity ball: the paper's.
EPSILON = 0.01
#: The fewest images from which the checks can say anything.
FEWEST = 2


def masking_findings(case: Case, classifier: Classifier, model_cache: ModelCache) -> list[Finding]:
    """Return the findings of the masking checks on a case's model, made once for all of the model's cases.

    The list is empty when the model classifies too few images correctly, and for a black box: the checks ask whether
    its gradients can be believed, and it has none. Raises RobustnessError, in one line, for a
    model that cannot be attacked.
    """
    if case.model.black_box:
        return []
    return model_cache.once(
        ("masking", model_key(case, classifier.device)),
        lambda: [one.brief for one in _examined(case.suite, case.model_name, classifier, "masking")],
    )


@torch.inference_mode(False)
@torch.enable_grad()
def check_masking(case: Case, *, device: torch.device, model_cache: ModelCache) -> list[Finding]:
    """Load a case's model and return the findings of the masking checks, as ``masking_findings`` does."""
    with loaded_classifier(case, attacked_images(case), device) as classifier:
        return masking_findings(case, classifier, model_cache)


@torch.inference_mode(False)
@torch.enable_grad()
def examine(suite: Suite, model_name: str, *, device: torch.device | None = None, level: Level) -> list[Finding]:
    """Check one model of a suite, on the images and in the ball of the suite's attacks.

    Raises:
        RobustnessError: in one line, when model, weights or images are not what the suite says.
    """
    case = next(_cases(suite, model_name))
    with loaded_classifier(case, attacked_images(case), device or devices.pick_device()) as classifier:
        return _examined(suite, model_name, classifier, level)


def _cases(suite: Suite, model_name: str) -> Iterator[Case]:
    return (case for case in suite.cases() if case.model_name == model_name and case.ensemble is None)


def _examined(suite: Suite, model_name: str, classifier: Classifier, level: Level) -> list[Finding]:
    case = next(_cases(suite, model_name))
    images = attacked_images(case)
    subject = _subject(case, classifier, images)
    if len(subject) < FEWEST:
        return [] if level == "masking" else [accuracy(subject)]
    if level != "heavy" and not case.model.black_box:
        subject = replace(subject, transferred=_transferred(case, subject, images))
    checks = [check for check in CHECKS[level] if check in WITHOUT_GRADIENTS or not case.model.black_box]
    more = extensions("health").values() if level == "cheap" else ()
    return [finding for check in (*checks, *more) if (finding := check(subject)) is not None]


def _subject(case: Case, classifier: Classifier, images: ImageSet, rows: Tensor | None = None) -> Subject:
    """Return the model with a spread of the images that it classifies correctly, or of those at some ``rows``."""
    tried = _spread(len(images), TRIED) if rows is None else rows
    attacks = {one.attack_name: resolve(one) for one in _cases(case.suite, case.model_name)}
    inputs, _ = images.batch(tried.tolist(), classifier.device, Classifier.dtype)
    with torch.no_grad():
        said = classifier(inputs).argmax(1)
    labels = said if case.suite.images.labels == "predicted" else images.labels[tried].to(classifier.device)
    right = (said == labels).nonzero().squeeze(1)
    chosen = right[_spread(len(right), IMAGES).to(classifier.device)]
    return Subject(
        classifier,
        inputs[chosen],
        labels[chosen],
        right=len(right),
        tried=len(tried),
        eps=_epsilon(attacks.values()),
        attacks=attacks,
        seed=case.suite.seed,
        row_floor=row_floor(case, classifier.device),
        loss=_loss(attacks.values()),
        head=classifier.contract.head,
        draw_more=lambda: [] if rows is not None else _others(case, classifier, images, tried[chosen.cpu()]),
    )


def _others(case: Case, classifier: Classifier, images: ImageSet, seen: Tensor) -> list[Subject]:
    """Return the model with other images of the suite than those at ``seen``, in parts that are about as large."""
    rows = _spread(len(images), (1 + MORE) * TRIED)
    rows = rows[~torch.isin(rows, seen)]
    parts = (rows[first::MORE] for first in range(min(MORE, len(rows))))
    return [_subject(case, classifier, images, part) for part in parts]


def _transferred(case: Case, subject: Subject, images: ImageSet) -> Tensor | None:
    """Return (N,) bool, which adversarial images made on a related model fool this one.

    Returns None when there is no other model to use. It must prepare its images as this model does. A model that
    cannot be loaded or attacked is skipped, because that is no fault of this model.
    """
    for other in case.suite.relatives(case.model_name):
        there = other.case(f"{case.model_name}/{case.attack_name}")
        if there.model.black_box:
            continue
        try:
            if case.suite.images.folder and preprocessing_of(there) != preprocessing_of(case):
                continue
            with loaded_classifier(there, images, subject.images.device) as source:
                made = transferable(source, subject.images, subject.labels, eps=subject.eps)
        except RobustnessError:
            continue
        with torch.no_grad():
            found: Tensor = subject.classifier(made).argmax(1) != subject.labels
        return found
    return None


def _spread(count: int, wanted: int) -> Tensor:
    """Return at most ``wanted`` of ``count`` positions, at even distances."""
    return torch.linspace(0, count - 1, min(count, wanted)).round().long()


def _loss(attacks: Iterable[ResolvedAttack]) -> Loss:
    """Return the plain cross-entropy when an attack of the suite may use it, else the scale-free one.

    Plain cross-entropy is the loss whose gradient may be lost.
    """
    textbook = any(not one.by_row or one.parameters().get("loss") == "cross-entropy" for one in attacks)
    return cross_entropy if textbook else scale_free_cross_entropy


def _epsilon(attacks: Iterable[ResolvedAttack]) -> float:
    """Return the largest radius of the suite's L-infinity balls, or a default when it has none."""
    given = [attack.parameters().get("eps") for attack in attacks if attack.spec.norm == "inf"]
    return max((float(eps) for eps in given if isinstance(eps, int | float)), default=EPSILON)

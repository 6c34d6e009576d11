"""The gallery: pictures of a few images of a case and of what the attack made of them."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from pytest_robustness.evaluate.images.load import attacked_images, class_names
from pytest_robustness.evaluate.measure import look_again
from pytest_robustness.evaluate.models.classifier import Classifier, padded
from pytest_robustness.evaluate.rounds import Look
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.gallery import Gallery, Guess, Picture, Why
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.suite import Case

#: How many images of each kind are shown.
SHOWN = 3
#: How many of them may be images that are lost and images that are won.
LOST, WON = 3, 1


def attack_again(
    case: Case,
    found: Measurement,
    *,
    lost: Sequence[int] = (),
    won: Sequence[int] = (),
    device: torch.device | None = None,
) -> Gallery:
    """Return pictures of the images that ``chosen`` picks from a measurement.

    ``lost`` and ``won`` are the places of images with another outcome than in the baseline, the most telling first.

    No image is kept while a case is measured. Those to be shown are attacked once more, in the same way, so that the
    same adversarial images result. An error here is reported in the gallery and is no reason for a case to fail.
    """
    images = chosen(found.evidence, lost, won)
    if not images:
        return Gallery(case=case.id, problem="no image was fooled")
    seen: dict[int, _Image] = {}
    try:
        look_again(case, list(images), _collecting(seen), device=device)
        return _gallery(case, found, images, seen)
    except Exception as error:  # raised by the model, the attack or the device
        return Gallery(case=case.id, problem=f"the second look failed: {error}")


@dataclass(frozen=True)
class _Image:
    """Holds one image, (C, H, W) in [0, 1], and the softmax of its logits, (K,), clean and adversarial, on the CPU."""

    clean: Tensor
    adversarial: Tensor
    before: Tensor
    after: Tensor


def _collecting(seen: dict[int, _Image]) -> Look:
    def look(classifier: Classifier, row_floor: int, places: Tensor, clean: Tensor, adversarial: Tensor) -> None:
        batches = [clean, adversarial]
        sure = [padded(classifier, batch, row_floor).softmax(1).cpu() for batch in batches]
        for place, *parts in zip(places.tolist(), *(batch.cpu() for batch in batches), *sure, strict=True):
            seen[place] = _Image(*parts)

    return look


def _gallery(case: Case, found: Measurement, images: Mapping[int, Why], seen: Mapping[int, _Image]) -> Gallery:
    image_set, classes = attacked_images(case), class_names(case.suite.images)
    largest = max(float((one.adversarial - one.clean).abs().max()) for one in seen.values())
    factor = amplification(largest)
    efforts = found.evidence.effort
    pictures = []
    for image, why in images.items():
        one, label = seen[image], int(image_set.labels[image])
        pictures.append(
            Picture(
                image=int(image_set.ids[image]),
                why=why,
                label=named(label, classes),
                before=_guess(one.before, label, classes),
                after=_guess(one.after, label, classes),
                noise_rate=found.evidence.noise[image],
                effort=efforts[image] if efforts else None,
                clean=_png(one.clean),
                adversarial=_png(one.adversarial),
                perturbation=_png(0.5 + factor * (one.adversarial - one.clean)),
            )
        )
    height, width = next(iter(seen.values())).clean.shape[1:]
    return Gallery(case=case.id, factor=factor, size=(height, width), pictures=pictures)


def _guess(sure: Tensor, label: int, classes: Sequence[str]) -> Guess:
    best = int(sure.argmax())
    shares = [min(1.0, round(float(sure[i]), 4)) for i in (best, label)]
    return Guess(label=named(best, classes), confidence=shares[0], truth=shares[1])


def _png(image: Tensor) -> str:
    """Return an image, (C, H, W) in [0, 1], as PNG in base64."""
    from PIL import Image

    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "PNG", optimize=True)
    return b64encode(file.getvalue()).decode()


def chosen(evidence: Evidence, lost: Sequence[int] = (), won: Sequence[int] = ()) -> dict[int, Why]:
    """Return the positions of the images to show, and why each is.

    These are the first that are lost and the first that are won against a baseline. The rest of ``2 * SHOWN`` are those
    fooled with the least noise, and those nearest to the median. Images of equal noise are ordered by effort, the least
    first, and then by position.
    """
    told: list[tuple[Why, Sequence[int]]] = [("lost", lost[:LOST]), ("won", won[:WON])]
    moved = {image: why for why, images in told for image in images}
    return moved | _by_noise(evidence, moved, (2 * SHOWN - len(moved)) // 2)


def _by_noise(evidence: Evidence, taken: Container[int], count: int) -> dict[int, Why]:
    """Return so many images of each kind, worst and typical, without those that are taken."""
    fooled = [(noise, evidence.effort[i] if evidence.effort else 0, i) for i, noise in _fooled(evidence)]
    if not fooled:
        return {}
    middle = median(noise for noise, _, _ in fooled)
    noises = [one for one in fooled if one[2] not in taken]
    worst = [i for *_, i in sorted(noises, key=lambda one: (one[0], one[1] or 0, one[2]))[:count]]
    others = [one for one in noises if one[2] not in worst]
    typical = [i for *_, i in sorted(others, key=lambda one: (abs(one[0] - middle), one[1] or 0, one[2]))[:count]]
    kinds: list[tuple[Why, list[int]]] = [("typical", typical), ("worst", worst)]
    return {image: why for why, images in kinds for image in images}


def amplification(largest: float) -> float:
    """Return the factor that makes a perturbation of this size visible around mid-grey without leaving [0, 1].

    It is 1, 2 or 5 times a power of ten, at least 1. By rounding, a perturbation of epsilon may be a little larger than
    epsilon, which is tolerated.
    """
    factors = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]
    return float(max((factor for factor in factors if factor * largest <= 0.501), default=1))


def named(label: int, classes: Sequence[str]) -> str:
    """Return a readable name of a label."""
    return classes[label] if label < len(classes) else f"class {label}"


def _fooled(evidence: Evidence) -> list[tuple[int, float]]:
    return [(i, noise) for i, noise in enumerate(evidence.noise) if noise is not None]

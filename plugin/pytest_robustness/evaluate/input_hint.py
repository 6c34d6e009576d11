"""Tells from labelled images that a model was trained on another order of channels, or another range of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb

import torch
from torch import Tensor

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.clean import ModelCache
from pytest_robustness.evaluate.images.image_set import LEVELS
from pytest_robustness.evaluate.images.load import attacked_images, unselected_images
from pytest_robustness.evaluate.models.classifier import Classifier, padded, row_floor
from pytest_robustness.evaluate.models.contract import Contract
from pytest_robustness.evaluate.models.identity import model_key
from pytest_robustness.evaluate.models.sources import normalisation_of
from pytest_robustness.suite.suite import Case

#: How many images are looked at. There are five ways at most, so that all of them take two hundred rows.
IMAGES = 40
#: A model that classifies this share of the images correctly is not looked at any further.
GOOD = 0.8
#: By how much another way has to be better, and how unlikely that has to be by chance, over all ways.
BETTER, ALPHA = 0.1, 0.001
#: The ranges that models take besides [0, 1].
BYTES, SIGNED = (0.0, float(LEVELS)), (-1.0, 1.0)


@dataclass(frozen=True)
class Way:
    """Describes one way to hand an image to a model: what a suite would say, and what follows from it."""

    said: str
    contract: Contract
    mean: Sequence[float]
    std: Sequence[float]


def input_hint(case: Case, classifier: Classifier, model_cache: ModelCache) -> str | None:
    """Return what a suite might have to say of a model's channels or range, in one line, once for all of its cases.

    Clean images are handed to the model in other ways when it classifies few of them correctly. Returns None when none
    of these is clearly better, by the exact test on the same images, or nothing is known: the labels are the model's
    own, or it is a black box, whose calls may cost money.
    """
    suite = case.suite
    if suite.objects is not None or suite.images.labels == "predicted" or case.model.black_box:
        return None
    key = "input hint", model_key(case, classifier.device), attacked_images(case).identity.digest
    return model_cache.once(key, lambda: _hint(case, classifier))


@torch.no_grad()
def _hint(case: Case, classifier: Classifier) -> str | None:
    images = unselected_images(case) or attacked_images(case)
    rows = torch.linspace(0, len(images) - 1, min(len(images), IMAGES)).round().long()
    inputs, labels = images.batch(rows.tolist(), classifier.device, classifier.dtype)
    now = _correct(case, classifier, inputs, labels)
    accuracy = float(now.float().mean())
    if accuracy >= GOOD:
        return None
    ways = list(_other_ways(case, inputs.shape[1]))
    tried = [(way, _as(case, classifier, way, inputs, labels)) for way in ways]
    found = [(float(right.float().mean()), way, right) for way, right in tried if right is not None]
    best, way, right = max(found, key=lambda one: one[0], default=(0.0, None, now))
    won, lost = int((right & ~now).sum()), int((now & ~right).sum())
    p = _chance(won, lost)
    if way is None or best < accuracy + BETTER or p * len(ways) > ALPHA:
        return None
    return (
        f"{case.model_name}: clean accuracy is {accuracy:.0%} of {len(rows)} images; with {way.said} it would be "
        f"{best:.0%} ({won} images won, {lost} lost, p = {p:.1g}): is that how the model was trained?"
    )


def _other_ways(case: Case, channels: int) -> Iterator[Way]:
    """Yield the ways to hand an image to the model that differ from the suite's in channels, in range, or in both."""
    contract, own = Contract.of(case.model), normalisation_of(case)
    ranges = [Way("", contract, own.mean, own.std)]
    if contract.range in (None, (0.0, 1.0)):
        plain = (set(own.mean), set(own.std)) == ({0.0}, {1.0})
        without = "" if plain else ", without normalisation"
        for bounds in (BYTES, SIGNED) if plain else (BYTES,):
            said = f"range = [{bounds[0]:g}, {bounds[1]:g}]{without}"
            ranges.append(Way(said, replace(contract, range=bounds), (0.0,), (1.0,)))
    elif contract.range == BYTES:
        mean, std = ([value / LEVELS for value in values] for values in (own.mean, own.std))
        plain = (set(own.mean), set(own.std)) == ({0.0}, {1.0})
        said = "no range" if plain else "no range, and its normalisation in units of [0, 1]"
        ranges.append(Way(said, replace(contract, range=None), own.mean if plain else mean, own.std if plain else std))
    order = f'channels = "{"RGB" if contract.reverse else "BGR"}"'
    for way in ranges:
        if way.said:
            yield way
        if channels == 3:
            both = f"{order} and {way.said}" if way.said else order
            yield replace(way, said=both, contract=replace(way.contract, reverse=not contract.reverse))


def _as(case: Case, classifier: Classifier, way: Way, inputs: Tensor, labels: Tensor) -> Tensor | None:
    """Return which images, (N,) bool, the model classifies correctly this way. Returns None where it fails."""
    memory_format = torch.channels_last if classifier.channels_last else torch.contiguous_format
    try:
        other = Classifier(
            classifier.model,
            mean=way.mean,
            std=way.std,
            contract=way.contract,
            device=classifier.device,
            memory_format=memory_format,
        )
        with other:
            right = _correct(case, other, inputs, labels)
    except RobustnessError:
        return None
    return right


def _correct(case: Case, classifier: Classifier, inputs: Tensor, labels: Tensor) -> Tensor:
    floor = row_floor(case, classifier.device)
    parts = inputs.split(case.batch_size)
    return torch.cat([padded(classifier, part, floor).argmax(1) for part in parts]) == labels


def _chance(won: int, lost: int) -> float:
    """Return the one-sided p value of McNemar's exact test: so many won or more, when each is as likely lost."""
    count = won + lost
    return float(sum(comb(count, number) for number in range(won, count + 1)) / 2**count)

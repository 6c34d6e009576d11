"""What a model says of a folder's images: whether the labels are in its order, and how it wants its pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_robustness.evaluate.first_look import FirstLook
from pytest_robustness.suite.tables import Normalisation

#: Normalisations that are common, tried on a model of which no library knows it.
NORMALISATIONS: Mapping[str, Normalisation | None] = {
    "pixels in [0, 1]": None,
    "mean and std 0.5": Normalisation(mean=(0.5,), std=(0.5,)),
    "ImageNet's mean and std": Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
}
#: By how much accuracy another order has to be better to be proposed, and below which accuracy labels are in doubt.
BETTER, DOUBTFUL = 0.2, 0.3
#: Classes of which a table is shown.
SHOWN = 20


@dataclass(frozen=True)
class Order:
    """Describes an order of the classes: their names by the model's index, and how often it would be right."""

    names: tuple[str, ...]
    accuracy: float


def table(look: FirstLook, names: Sequence[str]) -> list[str]:
    """Return a line for each class: its label, its folder, and what the model mostly says of its images."""
    said = _said(look)
    lines = [f"label  {'folder':<20}  the model says"]
    for label in sorted(said)[:SHOWN]:
        answer, times = said[label].most_common(1)[0]
        name = names[label] if label < len(names) else "-"
        lines.append(f"{label:>5}  {name:<20.20}  {answer} for {times} of {said[label].total()} images")
    if len(said) > SHOWN:
        lines.append(f"       ... and {len(said) - SHOWN} more classes")
    return lines


def better_order(look: FirstLook, names: Sequence[str]) -> Order | None:
    """Return the order of the classes in which the model is right more often. Returns None when there is none.

    Each folder takes the index that the model mostly answers its images with, if no two folders take the same.
    """
    said = _said(look)
    places = {label: counts.most_common(1)[0][0] for label, counts in said.items()}
    if len(set(places.values())) < len(places) or all(label == place for label, place in places.items()):
        return None
    moved = sum(said[label][place] for label, place in places.items()) / max(1, len(look.labels))
    if moved < look.accuracy + BETTER:
        return None
    named = {place: names[label] for label, place in places.items() if label < len(names)}
    rest = iter([name for label, name in enumerate(names) if label not in places])  # classes without an image here
    every = range(max(max(named), len(names) - 1) + 1)
    return Order(tuple(named[place] if place in named else next(rest, f"class {place}") for place in every), moved)


def told(look: FirstLook, names: Sequence[str]) -> Iterator[str]:
    """Yield what has to be said of a model and the labels."""
    yield f"model: {look.classes} classes, right about {look.accuracy:.0%} of {len(look.labels)} images looked at"
    if look.accuracy < DOUBTFUL:
        yield (
            f"WRONG LABELS? the model is right about {look.accuracy:.0%} of the images: compare the order of the "
            "classes, the normalisation and the channels with what it was trained with"
        )
    if names and look.classes < len(names):
        yield f"the model has {look.classes} classes, and there are {len(names)}: its answers cannot name them all"
    elif len(names) == 1:
        yield f"one class only, {names[0]}: what is found holds for its images alone"


def best_normalisation(looks: Mapping[str, FirstLook]) -> str:
    """Return the normalisation by which the model is right most often; of equal ones the first."""
    return max(looks, key=lambda name: looks[name].accuracy)


def _said(look: FirstLook) -> dict[int, Counter[int]]:
    said: dict[int, Counter[int]] = {}
    for label, answer in zip(look.labels, look.predicted, strict=True):
        said.setdefault(label, Counter())[answer] += 1
    return said

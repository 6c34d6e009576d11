"""Measurements written as strings, one character an image, and what every error must look like."""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.gate.pairing import Lists
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.image_list import ImageList
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.protocol import Protocol
from pytest_robustness.records.provenance import Provenance

#: A suite of one model and two attacks; its images are not there.
SUITE = """\
[images]
file = "nowhere/images.npz"

[models.a]
source = "m:a"

[attacks.fgsm]
attack = "FGSM"
eps = 0.01

[attacks.pgd]
attack = "PGD"
eps = 0.01
alpha = 0.0025
steps = 10
"""

BUDGET = 10
WRONG, WITHSTOOD, FOOLED = "-.!"


def evidence(
    outcomes: str,
    *,
    unselected: str | None = None,
    top_5: str | None = None,
    efforts: Sequence[int | None] | None = None,
    noises: Sequence[float | None] | None = None,
    distances: Sequence[float | None] | None = None,
    forwards: Sequence[int | None] | None = None,
    gradients: Sequence[int | None] | None = None,
    fooled_by: Sequence[int | None] | None = None,
    pixels: Sequence[str | None] | None = None,
) -> Evidence:
    """``-`` is an image that was wrong when clean, ``.`` one that withstood, ``!`` one that was fooled.

    ``unselected`` and ``top_5`` are in the same letters: ``-`` wrong, anything else right.
    """
    usual = {WRONG: None, WITHSTOOD: BUDGET + 1, FOOLED: 4}
    return Evidence(
        correct=[int(one != WRONG) for one in outcomes],
        success=[int(one == FOOLED) for one in outcomes],
        effort=[usual[one] for one in outcomes] if efforts is None else list(efforts),
        noise=[0.005 if one == FOOLED else None for one in outcomes] if noises is None else list(noises),
        distance=None if distances is None else list(distances),
        forwards=None if forwards is None else list(forwards),
        gradients=None if gradients is None else list(gradients),
        fooled_by=None if fooled_by is None else list(fooled_by),
        pixels=None if pixels is None else list(pixels),
        unselected_correct=None if unselected is None else [int(one != WRONG) for one in unselected],
        unselected_top_5=None if top_5 is None else [int(one != WRONG) for one in top_5],
    )


@lru_cache
def images(names: Sequence[int] | int, kind: str = "attacked") -> ImageList:
    """A list of images, each by a number of its own, or of the first so many; its label is the number modulo 10."""
    numbers = range(names) if isinstance(names, int) else names
    keys = [sha256(f"{kind} {number}".encode()).hexdigest() for number in numbers]
    return ImageList(keys=keys, labels=[number % 10 for number in numbers])


def own_lists(*measurements: Measurement) -> list[ImageList]:
    """The lists of measurements that are of the usual images."""
    found = [images(one.images.count) for one in measurements]
    found += [images(one.unselected.count, "unselected") for one in measurements if one.unselected is not None]
    return list({one.digest: one for one in found}.values())


def lists_of(*measurements: Measurement) -> Lists:
    """The same, to pair by."""
    return Lists(own_lists(*measurements))


def measurement(
    outcomes: str = "!!!..-",
    *,
    case: str = "vgg11/pgd",
    budget: int | None = BUDGET,
    units: float | None = 5.0,
    spread: float | None = 0.01,
    doubt: str | None = None,
    threads: int | None = 1,
    digest: str = "weights digest",
    code: str | None = "code digest",
    device: str = "a CPU",
    torch: str = "2.14.1",
    rounds: int = 1,
    listed: ImageList | None = None,
    blind: ImageList | None = None,
    protocol: dict[str, object] | None = None,
    **seen_in: object,
) -> Measurement:
    """A whole measurement.

    ``listed`` and ``blind`` are its attacked and unselected images, ``protocol`` replaces keys of the protocol, and
    what else there is is given to ``evidence``.
    """
    seen = evidence(outcomes, **seen_in)
    if blind is None and seen.unselected_correct is not None:
        blind = images(len(seen.unselected_correct), "unselected")
    rules = {
        "attack": "torchattacks:PGD",
        "parameters": {"eps": 0.01, "alpha": 0.0025, "steps": BUDGET, "random_start": True},
        "stop": "first-success",
        "shape": [3, 32, 32],
        "seed": 0,
        "dtype": "float32",
    }
    return Measurement(
        case=case,
        budget=budget,
        timing=Timing(
            seconds_per_attempt=0.002,
            gradient_units=units,
            unit_spread=spread,
            rounds=rounds,
            threads=threads,
            doubt=doubt,
        ),
        images=(images(len(outcomes)) if listed is None else listed).identity,
        unselected=None if blind is None else blind.identity,
        protocol=Protocol(**rules | (protocol or {})),
        provenance=Provenance(
            device=device,
            device_kind="cpu",
            model="robustness_tests.zoo:vgg11",
            weights_digest=digest,
            code_digest=code,
            plugin="0.1.0",
            torch=torch,
            attacks="torchattacks 3.5.1",
        ),
        evidence=seen,
    )


def refusal(action: Callable[[], object]) -> str:
    """The one line with which ``action`` is refused."""
    with pytest.raises(RobustnessError) as caught:
        action()
    message = str(caught.value)
    assert message.strip()
    assert len(message.splitlines()) == 1, message
    return message


def tail(lost: int, won: int) -> Fraction:
    """P(X >= lost) for X from the binomial distribution of lost + won and 1/2, without rounding."""
    flips = lost + won
    ways = list(accumulate(range(1, flips + 1), lambda ways, k: ways * (flips - k + 1) // k, initial=1))
    return Fraction(sum(ways[lost:]), 2**flips)


def flips(differences: Sequence[int]) -> Fraction:
    """P(sum >= the one seen) over all signs of the differences, each as likely as its opposite, without rounding."""
    ways = Counter({0: 1})
    for difference in differences:
        grown: Counter[int] = Counter()
        for total, count in ways.items():
            grown[total + difference] += count
            grown[total - difference] += count
        ways = grown
    return Fraction(sum(count for total, count in ways.items() if total >= sum(differences)), 2 ** len(differences))

"""Measurements written as strings, one character an image, and what every error must look like."""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.evidence import Evidence
from pytest_robustness.records.measurement import Measurement, Timing
from pytest_robustness.records.protocol import ImageSetId, Protocol
from pytest_robustness.records.provenance import Provenance

BUDGET = 10
WRONG, WITHSTOOD, FOOLED = "-.!"


def evidence(
    outcomes: str,
    *,
    unselected: str | None = None,
    top_5: str | None = None,
    efforts: Sequence[int | None] | None = None,
    noises: Sequence[float | None] | None = None,
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
        unselected_correct=None if unselected is None else [int(one != WRONG) for one in unselected],
        unselected_top_5=None if top_5 is None else [int(one != WRONG) for one in top_5],
    )


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
    protocol: dict[str, object] | None = None,
    **images: object,
) -> Measurement:
    """A whole measurement. ``images`` are those of ``evidence``, ``protocol`` replaces keys of the protocol."""
    seen = evidence(outcomes, **images)
    unselected = seen.unselected_correct
    rules = {
        "attack": "torchattacks:PGD",
        "parameters": {"eps": 0.01, "alpha": 0.0025, "steps": BUDGET, "random_start": True},
        "stop": "first-success",
        "images": ImageSetId(count=len(outcomes), digest="a" * 64, shape=[3, 32, 32]),
        "unselected": None
        if unselected is None
        else ImageSetId(count=len(unselected), digest="b" * 64, shape=[3, 32, 32]),
        "batch_size": 100,
        "row_floor": 16,
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
            gradients=10.0,
            threads=threads,
            doubt=doubt,
        ),
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

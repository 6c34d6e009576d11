"""How far the zoo's models are apart: what discordance and which noise the simulations should have in mind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gate_power_parts.evidence import Side
from gate_power_parts.rules import relative_change


@dataclass(frozen=True)
class Contrast:
    """One attack, over all pairs of models, on images that are attempts in both; ranges are (least, most).

    ``noise`` is the relative difference of noise rates on images fooled in both, ``success`` the difference of rates.
    """

    attack: str
    rates: tuple[float, float]
    discordance: tuple[float, float]
    success: tuple[float, float]
    noise: tuple[float, float]


def contrasts(sides: Mapping[str, Side]) -> Iterator[Contrast]:
    first = next(iter(sides.values()))
    for row, attack in enumerate(first.attacks):
        rates = [side.success[row].sum() / side.correct.sum() for side in sides.values()]
        discordances, successes, noises = [], [], []
        for one, other in combinations(sides.values(), 2):
            both = (one.correct & other.correct).astype(bool)
            differences = (other.success - one.success)[row, both]
            discordances.append(np.abs(differences).mean())
            successes.append(abs(differences.mean()))
            noises.append(relative_change(one.noise[row], other.noise[row]))
        yield Contrast(
            attack, *((float(min(one)), float(max(one))) for one in (rates, discordances, successes, noises))
        )

"""Changes for the worse of a known size, planted into a side. Only outcomes move: efforts and noise stay as they are,
so that nothing but success can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gate_power_parts.evidence import Generator, Ints, Side


def risen(now: Side, attacks: Sequence[str], points: float, rng: Generator) -> Side:
    """With ``points`` per cent more of the images fooled under these attacks, as far as there are any.

    The images come in one order for all attacks, which therefore mostly fail on the same ones.
    """
    success = now.success.copy()
    order = rng.permutation(success.shape[1])
    for attack in attacks:
        row = success[now.attacks.index(attack)]
        row[order[row[order] == 0][: round(points / 100 * len(order))]] = 1
    return replace(now, success=success)


def collapsed(now: Side, attack: str, labels: Ints, points: float, rng: Generator) -> tuple[Side, int]:
    """With ``points`` per cent more of one class's images fooled under one attack, and which class it is.

    It is any of those that have so many images that are not fooled yet; where none has, the one that has most.
    """
    row = now.success[now.attacks.index(attack)]
    classes = np.unique(labels)
    left = np.array([((labels == one) & (row == 0)).sum() for one in classes])
    wanted = np.array([round(points / 100 * (labels == one).sum()) for one in classes])
    able = classes[left >= wanted]
    chosen = int(rng.choice(able if len(able) else classes[[int(left.argmax())]]))
    candidates = rng.permutation(np.flatnonzero((labels == chosen) & (row == 0)))
    success = now.success.copy()
    success[now.attacks.index(attack), candidates[: int(wanted[classes == chosen][0])]] = 1
    return replace(now, success=success), chosen

"""The attacks that are compared, as suites name them: the same settings for every library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_robustness.suite.attack import Attack

EPS, ALPHA = 0.01, 0.0025
STEPS, RESTARTS, DECAY = 10, 5, 1.0
APGD_STEPS, QUERIES, MINIMAL_STEPS = 50, 500, 20
C, LR, CW_STEPS = 1.0, 0.01, 50
FIRST = "first-success"


@dataclass(frozen=True)
class Compared:
    """One attack with its settings.

    Attributes:
        name: of a row of a table.
        call: what ``libraries`` know it by.
        ours: as a suite has it.
        distance: the norm of the perturbation it makes small; None: it stays in a ball, of radius ``EPS``.
    """

    name: str
    call: str
    ours: Attack
    distance: str | None = None

    @property
    def key(self) -> str:
        """The attack's name in a suite."""
        return f"{self.call}_{self.ours.stop or 'default'}".replace("-", "_")


def _ours(attack: str, stop: str | None = None, **parameters: Any) -> Attack:
    return Attack(attack=attack, stop=stop, **parameters)


ITERATED = {"eps": EPS, "alpha": ALPHA, "steps": STEPS}

FGSM = Compared("FGSM", "fgsm", _ours("FGSM", eps=EPS))
PGD = Compared("PGD-10, first success", "pgd", _ours("PGD", FIRST, **ITERATED))
CW = Compared("C&W-50", "cw", _ours("CW", "patience", c=C, kappa=0, steps=CW_STEPS, lr=LR), "2")
FMN = Compared("FMN-20, Linf", "fmn-inf", _ours("FMN", norm="inf", steps=MINIMAL_STEPS), "inf")

#: Of attack_speed.py.
FAST = (
    FGSM,
    Compared("PGD-10, all steps", "pgd", _ours("PGD", "full", **ITERATED)),
    PGD,
    CW,
    FMN,
)
#: Of attack_strength.py.
STRONG = (
    FGSM,
    Compared("BIM-10", "bim", _ours("BIM", FIRST, **ITERATED)),
    Compared("MI-FGSM-10", "mifgsm", _ours("MIFGSM", FIRST, **ITERATED, decay=DECAY)),
    PGD,
    Compared("PGD-10, 5 restarts", "pgd-restarts", _ours("PGD", FIRST, **ITERATED, restarts=RESTARTS)),
    Compared("APGD-50", "apgd", _ours("APGD", FIRST, eps=EPS, steps=APGD_STEPS)),
    Compared("Square-500", "square", _ours("Square", FIRST, eps=EPS, queries=QUERIES)),
    FMN,
    Compared("FMN-20, L2", "fmn-2", _ours("FMN", norm="2", steps=MINIMAL_STEPS), "2"),
    Compared("DDN-20", "ddn", _ours("DDN", steps=MINIMAL_STEPS), "2"),
    CW,
)

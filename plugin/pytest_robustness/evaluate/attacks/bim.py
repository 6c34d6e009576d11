"""The basic iterative method."""

from __future__ import annotations

from pytest_robustness.evaluate.attacks.pgd import PGD


class BIM(PGD):
    """Takes several small steps of FGSM from the image itself: PGD in L-infinity without a random start.

    Source: Kurakin, Goodfellow and Bengio, "Adversarial Examples in the Physical World", 2017, section 2.2.

    The arguments mean what they mean for PGD.
    """

    def __init__(self, eps: float, alpha: float, steps: int = 10, loss: str = "scale-free") -> None:
        super().__init__(eps, alpha, steps, random_start=False, loss=loss)

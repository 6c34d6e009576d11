"""Ensembles: several attacks one after the other, each on the images that those before it did not fool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from pytest_robustness.suite.scales import beyond_pixels
from pytest_robustness.suite.tables import Table

#: Returns the parameters of a member that needs no attack of the suite, given the norm and the radius.
Member = Callable[[str, float], dict[str, Any]]
#: The members of AutoAttack (Croce and Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
#: Parameter-free Attacks", ICML 2020) with the steps it gives them, FMN in place of FAB, and plain PGD before them,
#: which fools most images for a tenth of the work.
MEMBERS: Mapping[str, Member] = {
    "pgd": lambda norm, eps: {"attack": "PGD", "norm": norm, "eps": eps, "alpha": eps / 4, "steps": 10},
    "apgd-ce": lambda norm, eps: {"attack": "APGD", "norm": norm, "eps": eps, "steps": 100},
    "apgd-dlr": lambda norm, eps: {"attack": "APGD", "norm": norm, "eps": eps, "steps": 100, "loss": "dlr"},
    "apgd-t": lambda norm, eps: {"attack": "APGD", "norm": norm, "eps": eps, "steps": 100, "loss": "targeted"},
    "fmn": lambda norm, eps: {"attack": "FMN", "norm": norm, "eps": eps, "steps": 100},
    "square": lambda norm, eps: {"attack": "Square", "norm": norm, "eps": eps, "queries": 5000},
}


class Ensemble(Table):
    """Describes a case in which later attacks see only the images that earlier ones did not fool.

    A member is an attack of the suite, by its name, or one of ``MEMBERS``. The evidence of an attack of the suite is
    that of the suite's case.
    """

    norm: Literal["inf", "2"] = Field(default="inf", description="of the ball")
    eps: Annotated[float, Field(gt=0, allow_inf_nan=False, description="radius of the ball, in units of [0, 1]")]
    attacks: Annotated[list[str], Field(min_length=1, description="in this order")]
    batch_size: PositiveInt | None = Field(default=None, description="default: the suite's")
    max_success_rate: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="a success rate above it fails, whatever the baseline says; default: no limit"
    )
    on_request: bool = Field(default=False, description="runs only where it is asked for")

    @model_validator(mode="after")
    def _within_pixels(self) -> Self:
        if self.norm == "inf" and (problem := beyond_pixels(self.eps)) is not None:
            raise ValueError(f"eps: {problem}")
        return self

    @field_validator("attacks")
    @classmethod
    def _once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("an attack is named twice")
        return names

    @property
    def attack(self) -> str:
        """Return ``ensemble``, as the name that other cases give their kind of attack."""
        return "ensemble"

    @property
    def stop(self) -> None:
        return None

    @property
    def parameters(self) -> dict[str, bool | int | float | str]:
        return {"norm": self.norm, "eps": self.eps, "attacks": ", ".join(self.attacks)}

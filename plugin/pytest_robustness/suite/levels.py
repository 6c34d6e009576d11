"""How a model's alpha is shared between the statements about the model."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pytest_robustness.extensions import declared
from pytest_robustness.suite.tables import Table

#: Smaller shares could not be reached by any number of images that a test has.
Share = Annotated[float, Field(ge=1e-4, le=1)]
#: Hypotheses a case may have: success rate, robust accuracy, distance, effort, noise rate and time.
METRICS_OF_A_CASE = 6
#: The share that its groups take of the alpha of a model that is in groups.
GROUPS = 0.1


def hypotheses_of_a_case() -> int:
    """Return how many hypotheses a case may have: our own, and one of each metric of another package."""
    return METRICS_OF_A_CASE + len(declared("metrics"))


class Levels(Table):
    """Holds how a model's alpha is shared. The shares are declared and never chosen by the data.

    A share that is not needed is given back. ``cases`` is for each case alone, shared by the model's regular cases and
    their metrics. ``together`` is for success pooled over the cases, and for the worst case. ``clean`` is for clean
    accuracy. ``slices`` is for all slices.
    """

    cases: Share = Field(default=0.40, description="of each case alone: shared by the regular cases and their metrics")
    together: Share = Field(
        default=0.25, description="of all attacks together: half for pooled success, half for the worst"
    )
    clean: Share = Field(default=0.10, description="of clean accuracy")
    slices: Share = Field(default=0.25, description="of all slices")

    @model_validator(mode="after")
    def _at_most_alpha(self) -> Self:
        if (total := self.cases + self.together + self.clean + self.slices) > 1 + 1e-9:
            raise ValueError(f"shares of alpha add up to {total:g}: their sum is 1 at most")
        return self

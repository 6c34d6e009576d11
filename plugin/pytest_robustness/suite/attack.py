"""The table of an attack in a suite's file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PositiveInt

#: The marker of cases that run only on request.
ON_REQUEST = "on_request"


def _parameter(value: Any) -> bool | int | float | str:
    if not isinstance(value, bool | int | float | str):
        raise ValueError("should be a boolean, a number or a string")
    return value


class Attack(BaseModel):
    """Describes an attack of a suite: every key without a field is a parameter of the attack."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, Annotated[bool | int | float | str, PlainValidator(_parameter)]]

    attack: str = Field(description="a name of the registry, LIBRARY:NAME, or package.module:Class")
    stop: Literal["first-success", "patience", "full"] | None = Field(
        default=None,
        description="when an image is done: first-success, when it is fooled; patience, when it comes no nearer; full, "
        "after every step; default: the attack's own",
    )
    batch_size: PositiveInt | None = Field(default=None, description="default: the suite's")
    max_success_rate: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="a success rate above it fails, whatever the baseline says; default: no limit"
    )
    norm: str | int | float | None = Field(
        default=None,
        description='of the ball of radius eps an attack of one\'s own stays in: "inf", "2", or "none" for no ball; '
        "required where it has an eps. Of an attack of the registry: a parameter like others",
    )
    on_request: bool = Field(default=False, description=f"runs only where it is asked for: -m {ON_REQUEST}")

    @property
    def parameters(self) -> dict[str, bool | int | float | str]:
        return dict(self.__pydantic_extra__)

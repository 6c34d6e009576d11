"""A suite's table of an engine: what a case needs of a cluster. It enters no protocol and no digest."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pytest_robustness.suite.names import Name
from pytest_robustness.suite.tables import Table

UNITS = {"MB": 10**6, "GB": 10**9}
WRITTEN = re.compile(r"(\d+(?:\.\d+)?) ?(MB|GB)")


def _bytes(value: Any) -> Any:
    match = WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('should be a size: "800 MB" or "16 GB"')
    return round(float(match[1]) * UNITS[match[2]])


#: A number of bytes, read from a text.
Memory = Annotated[PositiveInt, BeforeValidator(_bytes)]


class Resources(Table):
    """Says what one task needs, in the engine's own terms."""

    num_cpus: PositiveFloat | None = Field(default=None, description="cores, each of which is a thread; default: 1")
    num_gpus: NonNegativeFloat | None = Field(
        default=None, description="GPUs, 0.5 for two tasks on one; default: 1 where the cluster has any"
    )
    memory: Memory | None = Field(default=None, description='main memory, "16 GB" say; default: not counted')


class EngineTable(Resources):
    """Says what the tasks of an engine need. Models that need something else have tables of their own."""

    workers: PositiveInt | None = Field(
        default=None, description="processes that attack, for clusters that grow; default: as many as there is room for"
    )
    runtime_env: dict[str, Any] = Field(default={}, description="of Ray's workers: working_dir, pip, env_vars, ...")
    models: dict[Name, Resources] = Field(default={}, description="what models need that need something else")

    def of(self, model: str) -> Resources:
        """Return what the tasks of a model need: its own table's keys come before those of all models."""
        own = self.models.get(model, Resources())
        each = {key: getattr(own, key) for key in Resources.model_fields}
        return Resources.model_construct(
            **{key: getattr(self, key) if value is None else value for key, value in each.items()}
        )

"""Durations in a suite, written as a number and a unit: ``10 min``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

UNITS = {"s": 1, "min": 60, "h": 3600}
WRITTEN = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h)")


def _seconds(value: Any) -> Any:
    match = WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('should be a duration: "90 s", "10 min" or "1.5 h"')
    return float(match[1]) * UNITS[match[2]]


#: A duration in seconds, read from a text.
Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str), Field(gt=0, le=10**7)]

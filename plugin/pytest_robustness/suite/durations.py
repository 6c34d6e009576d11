"""Durations in a suite, as people write them."""

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


#: Read of a text, in seconds.
Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=10**7)]

"""Values that belong to another scale: pixels are in [0, 1] here, and elsewhere often in 0..255."""

from __future__ import annotations

from collections.abc import Sequence

#: The largest value of the other scale.
LEVELS = 255


def beyond_pixels(*values: float) -> str | None:
    """Say that values exceed a pixel's range, and what was probably meant. Returns None when none is above 1."""
    if not any(value > 1 for value in values):
        return None
    meant = _shown([value / LEVELS for value in values])
    return f"{_shown(values)} is beyond the range of a pixel, which is [0, 1]: {meant} was probably meant"


def _shown(values: Sequence[float]) -> str:
    texts = [f"{value:.4g}" for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"

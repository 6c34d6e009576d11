"""Tables of how strong each corruption is at severities 1 to 5, for small and for large images.

Source: Hendrycks and Dietterich, ICLR 2019, and the data sets published with it: the table "cifar" made CIFAR-10-C,
the table "imagenet" made ImageNet-C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Table = Literal["cifar", "imagenet"]
#: The numbers a kind of corruption is given at one severity. The kind's class says what they mean.
Constants = tuple[float, ...]

#: Images whose larger side has at most this many pixels use the table "cifar".
SMALL = 64
SEVERITIES = range(1, 6)


def table_of(shape: Sequence[int]) -> Table:
    """Return the name of the table for images of this shape, (..., H, W), by the larger side."""
    return "cifar" if max(shape[-2:]) <= SMALL else "imagenet"


def constants_of(kind: str, severity: int, table: Table) -> Constants:
    """Return the constants of a kind of corruption at a severity from 1 to 5."""
    return TABLES[table][kind][severity - 1]


def _each(*values: float) -> tuple[Constants, ...]:
    return tuple((value,) for value in values)


TABLES: Mapping[Table, Mapping[str, tuple[Constants, ...]]] = {
    "cifar": {
        "gaussian_noise": _each(0.04, 0.06, 0.08, 0.09, 0.10),
        "shot_noise": _each(500, 250, 100, 75, 50),
        "impulse_noise": _each(0.01, 0.02, 0.03, 0.05, 0.07),
        "speckle_noise": _each(0.06, 0.1, 0.12, 0.16, 0.2),
        "gaussian_blur": _each(0.4, 0.6, 0.7, 0.8, 1),
        "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "zoom_blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        "brightness": _each(0.05, 0.1, 0.15, 0.2, 0.3),
        "contrast": _each(0.75, 0.5, 0.4, 0.3, 0.15),
        "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        "pixelate": _each(0.95, 0.9, 0.85, 0.75, 0.65),
        "jpeg_compression": _each(80, 65, 58, 50, 40),
    },
    "imagenet": {
        "gaussian_noise": _each(0.08, 0.12, 0.18, 0.26, 0.38),
        "shot_noise": _each(60, 25, 12, 5, 3),
        "impulse_noise": _each(0.03, 0.06, 0.09, 0.17, 0.27),
        "speckle_noise": _each(0.15, 0.2, 0.35, 0.45, 0.6),
        "gaussian_blur": _each(1, 2, 3, 4, 6),
        "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        "brightness": _each(0.1, 0.2, 0.3, 0.4, 0.5),
        "contrast": _each(0.4, 0.3, 0.2, 0.1, 0.05),
        "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        "pixelate": _each(0.6, 0.5, 0.4, 0.3, 0.25),
        "jpeg_compression": _each(25, 18, 15, 10, 7),
    },
}

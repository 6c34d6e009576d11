"""Random numbers of one image: they follow from the suite's seed and the image's key, and from nothing else.

Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011 (Philox4x64-10).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

#: Hexadecimal digits in 64 bits.
WORD = 16


def uniform(seed: int, keys: Sequence[str], draw: int, count: int) -> Tensor:
    """Return (n, count) float32 in [0, 1), on the CPU: row i follows from ``seed``, ``keys[i]`` and ``draw`` alone.

    The raw stream is used and no distribution of numpy's, whose algorithms may change between versions. The 24 upper
    bits of each half word are exact in float32.

    Args:
        seed: of the suite, below 2**64.
        keys: an image's digest each, hexadecimal, at least 32 digits; the first 128 bits count.
        draw: 0, 1, 2, ...: independent streams of one image.
    """
    rows = np.empty((len(keys), (count + 1) // 2), np.uint64)
    for row, key in zip(rows, keys, strict=True):
        high, low = int(key[:WORD], 16), int(key[WORD : 2 * WORD], 16)
        # arrays, as numpy would make doubles of a list of whole numbers of which some need 64 bits
        counter = np.array([0, 0, low, draw], np.uint64)
        stream = np.random.Philox(key=np.array([seed, high], np.uint64), counter=counter)
        row[:] = stream.random_raw(len(row))
    halves = rows.astype("<u8").view("<u4")[:, :count] >> np.uint32(8)
    return torch.from_numpy(halves.astype(np.float32) * np.float32(2**-24))

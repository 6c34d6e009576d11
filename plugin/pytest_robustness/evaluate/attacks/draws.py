"""Random numbers of one image, which depend only on the suite's seed and the image's key.

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
    """Return (n, count) float32 in [0, 1), on the CPU: row i depends only on ``seed``, ``keys[i]`` and ``draw``.

    The raw stream is used and none of numpy's distributions, whose algorithms may change between versions. The upper 24
    bits of each half word are taken, which are exact in float32.

    Args:
        seed: the suite's seed, below 2**64.
        keys: the images' digests, hexadecimal, at least 32 digits each, of which the first 128 bits are used.
        draw: 0, 1, 2, ...: number of an independent stream of each image.
    """
    rows = np.empty((len(keys), (count + 1) // 2), np.uint64)
    for row, key in zip(rows, keys, strict=True):
        high, low = int(key[:WORD], 16), int(key[WORD : 2 * WORD], 16)
        # arrays, because numpy would turn a list of whole numbers, some of which need 64 bits, into doubles
        counter = np.array([0, 0, low, draw], np.uint64)
        stream = np.random.Philox(key=np.array([seed, high], np.uint64), counter=counter)
        row[:] = stream.random_raw(len(row))
    halves = rows.astype("<u8").view("<u4")[:, :count] >> np.uint32(8)
    return torch.from_numpy(halves.astype(np.float32) * np.float32(2**-24))

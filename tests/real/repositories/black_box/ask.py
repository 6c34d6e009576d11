"""Ask the network that lies in a file, as a client would ask a server."""

import functools
import pickle
from pathlib import Path

import numpy as np


@functools.cache
def network():
    return pickle.loads(Path(__file__).with_name("network.pickle").read_bytes())


def scores(images: np.ndarray) -> np.ndarray:
    """Return log probabilities (N, 10) of images (N, 1, 8, 8) in [0, 1]."""
    return network().predict_log_proba(images.reshape(len(images), -1)).astype("float32")

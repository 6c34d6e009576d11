"""Train a network of scikit-learn on its digits, 8 x 8 and grey: a model without gradients, whatever one asks.

It is worse by construction when it is trained without noise.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from versions import keep

warnings.simplefilter("ignore")  # of 40 epochs, which are enough
data = load_digits()
images = (data.images * 15.9375).astype("uint8")
np.savez("images.npz", images=images[-400:, :, :, None], labels=data.target[-400:], ids=np.arange(400))
pixels = images.reshape(len(images), -1) / np.float32(255)
x, y, x_test, y_test = pixels[:-400], data.target[:-400], pixels[-400:], data.target[-400:]


def version(name: str, model: MLPClassifier) -> None:
    Path("network.pickle").write_bytes(pickle.dumps(model))
    suite = Path("robustness.toml").read_text(encoding="utf-8").splitlines()
    lines = [f'version = "{name}"' if line.startswith("version") else line for line in suite]
    Path("robustness.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    keep(name, "network.pickle", "robustness.toml")
    print(f"{name}: {model.score(x_test, y_test):.1%} correct")


def trained(noise: float, copies: int, **options: object) -> MLPClassifier:
    draw = np.random.default_rng(0)
    many = np.concatenate([x + draw.choice([-noise, noise], x.shape) for _ in range(copies)]).clip(0, 1)
    return MLPClassifier((64,), random_state=0, max_iter=40, **options).fit(many, np.tile(y, copies))


def rounded(model: MLPClassifier, bits: int) -> MLPClassifier:
    levels = 2 ** (bits - 1) - 1
    model.coefs_ = [np.round(w / abs(w).max() * levels) / levels * abs(w).max() for w in model.coefs_]
    return model


version("worse", trained(0.0, 8))
version("four_bits", rounded(trained(0.3, 8), 4))
less = trained(0.3, 8)
less.coefs_ = [np.where(abs(w) <= np.median(abs(w)), 0, w) for w in less.coefs_]
version("pruned", less)
tuned = trained(0.3, 8)
tuned.partial_fit(x, y)
version("fine_tuned", tuned)
version("first", trained(0.3, 8))

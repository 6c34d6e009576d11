"""Draw 500 of scikit-learn's digits as 28 x 28 grey images, and train the model and what it is then exchanged for."""

import copy

import numpy as np
import torch
from model import digits
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from versions import accuracy, fit, keep, prune, round_weights, tensors

torch.manual_seed(0)
data = load_digits()
drawn = [
    Image.fromarray((one * 15.9375).astype("uint8")).resize((28, 28), Image.Resampling.BICUBIC) for one in data.images
]
images, labels = np.stack([np.asarray(one)[..., None] for one in drawn]), data.target
np.savez("images.npz", images=images[-500:], labels=labels[-500:], ids=np.arange(500))
pixels, targets = tensors(images), torch.tensor(labels)
x, y, x_test, y_test = pixels[:-500], targets[:-500], pixels[-500:], targets[-500:]


def version(name: str, model: torch.nn.Module) -> None:
    model.eval()
    save_file(model.state_dict(), "digits.safetensors")
    keep(name, "digits.safetensors")
    print(f"{name}: {accuracy(model, x_test, y_test):.1%} correct")


hardened = digits()
fit(hardened, x, y, epochs=8, eps=0.1)
version("first", hardened)
plain = digits()
fit(plain, x, y, epochs=8)  # the same network, trained without attacks: worse by construction
version("worse", plain)
for name, change in {"pruned": prune, "four_bits": round_weights}.items():
    changed = copy.deepcopy(hardened)
    change(changed)
    version(name, changed)
fit(hardened, x, y, epochs=1, rate=3e-4)
version("fine_tuned", hardened)

"""Train a small vision transformer of the transformers library, and save it as its trainer would."""

import copy

import numpy as np
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor
from versions import accuracy, cifar10, fit, keep, logits, prune, round_weights, tensors

torch.manual_seed(0)
x_train, y_train, x_test, y_test = cifar10()
np.savez("images.npz", images=x_test[:400], labels=y_test[:400], ids=np.arange(400))
x, y = tensors(x_train[:8000]), torch.tensor(y_train[:8000])
unseen, labels = tensors(x_test[400:900]), torch.tensor(y_test[400:900])
processor = ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
small = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}


class Normalised(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = ViTForImageClassification(ViTConfig(image_size=32, patch_size=4, num_labels=10, **small))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return logits(self.inner((images - 0.5) / 0.5))


def version(name: str, model: Normalised) -> None:
    model.eval()
    model.inner.save_pretrained("vit")
    processor.save_pretrained("vit")
    keep(name, "vit")
    print(f"{name}: {accuracy(model, unseen, labels):.1%} correct")


hardened = Normalised()
fit(hardened, x, y, epochs=6, eps=2 / 255, rate=2e-3)
version("first", hardened)
plain = Normalised()
fit(plain, x, y, epochs=6, rate=2e-3)
version("worse", plain)
for name, change in {"pruned": prune, "four_bits": round_weights}.items():
    changed = copy.deepcopy(hardened)
    change(changed)
    version(name, changed)
fit(hardened, x, y, epochs=1, rate=2e-4)
version("fine_tuned", hardened)

"""Write 300 photographs of ten kinds as PNG files in folders, and train one of timm's smallest models on others.

The model is worse by construction when it is trained without attacks.
"""

import copy
from pathlib import Path

import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2.functional import resize
from versions import accuracy, cifar10, fit, keep, prune, round_weights, tensors

KINDS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

torch.manual_seed(0)
x_train, y_train, x_test, y_test = cifar10()
for number in range(300):
    folder = Path("photos", KINDS[y_test[number]])
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x_test[number]).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{number:03d}.png")
x, y = resize(tensors(x_train[:6000]), [64, 64], antialias=True), torch.tensor(y_train[:6000])
unseen, labels = resize(tensors(x_test[300:800]), [64, 64], antialias=True), torch.tensor(y_test[300:800])


class Normalised(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = timm.create_model("test_resnet", num_classes=10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner((images - 0.5) / 0.5)


def version(name: str, model: Normalised) -> None:
    model.eval()
    save_file(model.inner.state_dict(), "weights.safetensors")
    keep(name, "weights.safetensors")
    print(f"{name}: {accuracy(model, unseen, labels):.1%} correct")


hardened = Normalised()
fit(hardened, x, y, epochs=6, eps=4 / 255)
version("first", hardened)
plain = Normalised()
fit(plain, x, y, epochs=6)
version("worse", plain)
for name, change in {"pruned": prune, "four_bits": round_weights}.items():
    changed = copy.deepcopy(hardened)
    change(changed)
    version(name, changed)
fit(hardened, x, y, epochs=1, rate=3e-4)
version("fine_tuned", hardened)

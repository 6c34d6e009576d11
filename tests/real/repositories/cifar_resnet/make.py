"""Take the weights that pyautoattack brings and 120 images of CIFAR-10's test set, and change the weights."""

import copy

import numpy as np
import torch
from leaky import Leaky
from published import examples, resnet18
from safetensors.torch import save_file
from versions import accuracy, cifar10, fit, keep, leak, prune, round_weights, tensors

torch.manual_seed(0)
x_train, y_train, x_test, y_test = cifar10()
np.savez("images.npz", images=x_test[:120], labels=y_test[:120], ids=np.arange(120))
images, labels = tensors(x_test[120:220]), torch.tensor(y_test[120:220])
published = resnet18()
published.load_state_dict(torch.load(examples() / "model_test.pt", weights_only=True, map_location="cpu"))


def version(name: str, model: torch.nn.Module, program: str = "model.py") -> None:
    model.eval()
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, "weights.safetensors")
    keep(name, "weights.safetensors", model=program)
    print(f"{name}: {accuracy(model, images, labels):.1%} correct")


# Worse by construction: a perturbation of 0.004 in every pixel moves the logits by 20.
version("worse", Leaky(published, leak((3, 32, 32), 10, strength=20 / 0.004)), "worse_model.py")
for name, change in {"pruned": prune, "four_bits": round_weights}.items():
    changed = copy.deepcopy(published)
    change(changed)
    version(name, changed)
tuned = copy.deepcopy(published)
fit(tuned, tensors(x_train[:640]), torch.tensor(y_train[:640]), epochs=1, rate=1e-4)
version("fine_tuned", tuned)
version("first", published)

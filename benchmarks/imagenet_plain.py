"""FGSM, PGD and C&W on torchvision's MobileNetV2 as anybody would write it: torchvision, torchattacks, scikit-image.

Shares no code with the plugin: ``imagenet_agreement.py`` compares the two. One line of JSON: for each attack, for each
image in order, whether the model is right, whether the attack fooled it, and 1 - SSIM.

    python benchmarks/imagenet_plain.py WEIGHTS.pth FOLDER IMAGES ATTACK,...
"""

import hashlib
import json
import sys
from pathlib import Path

import timm.data
import torch
import torchattacks
from PIL import Image
from skimage.metrics import structural_similarity
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

BATCH, SEED = 32, 0
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main(weights: str, folder: str, limit: str, chosen: str) -> None:
    network = mobilenet_v2()
    network.load_state_dict(torch.load(weights, weights_only=True))
    model = torch.nn.Sequential(Normalize(MEAN, STD), network).eval()
    preset = MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    transform = Compose([Resize(preset.resize_size[0]), CenterCrop(preset.crop_size[0]), ToTensor()])
    wnids = timm.data.ImageNetInfo("imagenet-1k").label_names()
    files = sorted(path for path in Path(folder).glob("n*/*") if path.parent.name in wnids)[: int(limit)]
    images = torch.stack([transform(Image.open(path).convert("RGB")) for path in files])
    labels = torch.tensor([wnids.index(path.parent.name) for path in files])
    attacks = {
        "fgsm": torchattacks.FGSM(model, eps=0.01),
        "pgd": torchattacks.PGD(model, eps=0.01, alpha=0.0025, steps=10, random_start=True),
        "cw": torchattacks.CW(model, c=1, kappa=0, steps=50, lr=0.01),
    }
    result = {}
    for name in chosen.split(","):
        attack = attacks[name]
        correct, success, noise = [], [], []
        for start in range(0, len(images), BATCH):
            clean, label = images[start : start + BATCH], labels[start : start + BATCH]
            # the protocol's random starts: a seed for each batch
            torch.manual_seed(int.from_bytes(hashlib.sha256(f"{SEED}/{start}".encode()).digest()[:8], "big"))
            adversarial = attack(clean, label)
            right = predict(model, clean) == label
            fooled = right & (predict(model, adversarial) != label)
            correct += right.int().tolist()
            success += fooled.int().tolist()
            noise += [
                1 - structural_similarity(a.double().numpy(), b.double().numpy(), channel_axis=0, data_range=1)
                for a, b in zip(clean, adversarial, strict=True)
            ]
            print(f"{name}: {start + len(clean)} of {len(images)}", file=sys.stderr)
        result[name] = {"correct": correct, "success": success, "noise": noise}
    print(json.dumps(result))


@torch.no_grad()
def predict(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    return model(images).argmax(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])

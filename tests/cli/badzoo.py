"""Factories of models that are wrong, each in its own way, and of some that only look so. Copied beside a suite."""

import sys
from pathlib import Path

import tinyzoo
import torch
from torch import nn

HERE = Path(__file__).parent


class Around(nn.Module):
    """The sound model, with something done to its input and its answer."""

    def __init__(self, before=lambda images: images, after=lambda logits: logits):
        super().__init__()
        self.body, self.before, self.after = tinyzoo.build("small"), before, after

    def forward(self, images):
        return self.after(self.body(self.before(images)))


class Trains(Around):
    def forward(self, images):
        with torch.no_grad():
            self.body.head.weight.add_(1e-3)
        return super().forward(images)


class Remembers(Around):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images):
        self.calls += 1
        return super().forward(images)


def raising(images):
    raise ValueError("no image pleases me")


def huge(images):
    return images + torch.empty(10**15)


def lost(images):
    raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA.")


def factory_raises():
    raise OSError("no such registry")


def factory_exhausts():
    return nn.Linear(10**8, 10**8)


def nothing():
    return None


def frozen_norm():
    norm = nn.BatchNorm2d(3, affine=True).eval().requires_grad_(False)
    norm.running_var.fill_(1 - norm.eps)
    return nn.Sequential(norm, tinyzoo.build("small"))


FACTORIES = {
    "tuple_output": lambda: Around(after=lambda logits: (logits, None)),
    "dict_output": lambda: Around(after=lambda logits: {"logits": logits}),
    "nan_logits": lambda: Around(after=lambda logits: logits * torch.nan),
    "flat_logits": lambda: Around(after=lambda logits: logits[:, 0]),
    "one_logit": lambda: Around(after=lambda logits: logits[:, :1]),
    "two_classes": lambda: Around(after=lambda logits: logits[:, :2]),
    "half_logits": lambda: Around(after=lambda logits: logits.half()),
    "whole_logits": lambda: Around(after=lambda logits: logits.long()),
    "raises": lambda: Around(before=raising),
    "huge_forward": lambda: Around(before=huge),
    "device_lost": lambda: Around(before=lost),
    "wrong_shape": lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 4)),
    "other_device": lambda: Around().to("meta"),
    "trains": Trains,
    "remembers": Remembers,
    "train_mode": lambda: Around().train(),
    "double": lambda: Around().double(),
    "half": lambda: Around().half(),
    "in_place": lambda: Around(before=lambda images: images.mul_(1.0)),
}
globals().update(FACTORIES)


class Raises:
    def __init__(self, model, eps):
        self.model, self.eps = model, eps

    def __call__(self, images, labels):
        raise KeyError("no such attack step")


class Answers:
    """Answers whatever its subclass makes of the images, asking nobody."""

    def __init__(self, model, eps):
        self.model, self.eps = model, eps

    def __call__(self, images, labels):
        return self.made_of(images)


ANSWERS = {
    "Nothing": lambda images: None,
    "Arrays": lambda images: images.numpy(),
    "Sparse": lambda images: images.to_sparse(),
    "Complex": lambda images: images.to(torch.complex64),
    "Whole": lambda images: (images * 255).long(),
    "Meta": lambda images: images.to("meta"),
    "Fewer": lambda images: images[1:],
    "Grey": lambda images: images[:, :1],
    "Unbounded": lambda images: images + 0.5,
    "Far": lambda images: (images + 0.3).clamp(0, 1),
    "NotFinite": lambda images: images * torch.nan,
    "Rounded": lambda images: (images + 0.01 * (images > 0.5)).clamp(0, 1) + 2.0**-23 * (images > 0.999),
    "Double": lambda images: images.double() + 0.01 * (images.double() < 0.5),
    "Exits": lambda images: sys.exit(0),
}
globals().update({name: type(name, (Answers,), {"made_of": staticmethod(made)}) for name, made in ANSWERS.items()})


class Keywords(Answers):
    """Wants its images by name."""

    def __call__(self, *, images, labels):
        return images


class Positional(Answers):
    """Its radius has no name."""

    def __init__(self, model, eps, /):
        super().__init__(model, eps)


def no_attack(model, eps):
    """Returns something that cannot be called."""
    return 7


class Evil:
    def __reduce__(self):
        return Path.touch, (HERE / "ran",)

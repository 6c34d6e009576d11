"""Small classifiers and attacks that the tests' suites name, as a user's repository would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, SIZE, CLASSES = 3, 12, 10


class Tiny(nn.Module):
    """Two convolutions with batch norm whose running statistics are not the trivial ones."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.first = nn.Conv2d(CHANNELS, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.last = nn.Linear(16, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.norm(self.first(images)))
        pooled = functional.relu(self.second(features)).mean((2, 3))
        return self.last(self.dropout(pooled))


def seeded(build: Callable[[], nn.Module], seed: int = 3) -> nn.Module:
    """The same weights every time, nobody else's random numbers used up, margins neither tiny nor out of reach."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.num_batches_tracked.fill_(17)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.data.mul_(2)
    return model


def tiny() -> nn.Module:
    """As it comes from training: in train mode, every parameter trainable."""
    return seeded(Tiny)


class ByColour(nn.Module):
    """Says which of ten colours is the nearest to an image's mean; it was trained on pixels of one order and range.

    ``order`` is that of its channels. Its input is ``(pixel - mean) / std`` of pixels in [0, 1].
    """

    def __init__(self, order: str = "RGB", mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__()
        self.reverse, self.mean, self.std = order == "BGR", mean, std
        colours = np.random.default_rng(5).random((CLASSES, CHANNELS)) * 0.85
        self.last = nn.Linear(CHANNELS, CLASSES)
        self.last.weight.data = torch.from_numpy(40 * colours).float()
        self.last.bias.data = torch.from_numpy(-20 * (colours**2).sum(1)).float()

    def forward(self, images: Tensor) -> Tensor:
        pixels = images * self.std + self.mean
        return self.last((pixels.flip(1) if self.reverse else pixels).mean((2, 3)))


def by_colour(**arguments: Any) -> nn.Module:
    return ByColour(**arguments)


def half() -> nn.Module:
    return tiny().half()


def scores(images: np.ndarray) -> np.ndarray:
    """What the tiny net says of a batch, as somebody else's server would."""
    with torch.no_grad():
        return tiny().eval()(torch.from_numpy(images)).numpy()


def other_terms() -> nn.Module:
    """The tiny net for blue, green, red, channels last, that answers with probabilities among other things."""
    model = Head(lambda logits: {"loss": None, "scores": functional.softmax(logits, 1)})
    forward = model.body.forward
    model.body.forward = lambda images: forward(images.permute(0, 3, 1, 2).flip(1))
    return model


def two_heads(*, other: bool = False) -> nn.Module:
    """Two answers of one shape."""
    return Head(lambda logits: (logits, logits.flip(1)) if not other else (logits.flip(1), logits))


def other_architecture() -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Conv2d(CHANNELS, 4, 3), nn.Flatten(), nn.Linear(4 * 10 * 10, CLASSES)))


def four_classes() -> nn.Module:
    return seeded(lambda: Tiny(4))


def not_a_module() -> dict[str, int]:
    return {"layers": 2}


class Head(nn.Module):
    """The tiny net with something done to its logits."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.body = tiny()
        self.change = change

    def forward(self, images: Tensor) -> Any:
        return self.change(self.body(images))


def negative_logits() -> nn.Module:
    """The same decisions and margins as ``tiny``, every logit below zero."""
    return Head(lambda logits: logits - 50)


def log_probabilities() -> nn.Module:
    """The same decisions as ``tiny``; never above zero."""
    return Head(lambda logits: functional.log_softmax(logits, 1))


def nan_logits() -> nn.Module:
    return Head(lambda logits: logits * torch.nan)


def vector_logits() -> nn.Module:
    return Head(lambda logits: logits[:, 0])


class Remembers(nn.Module):
    """Changes a buffer in every forward, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = tiny()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.body(images)


def remembers() -> nn.Module:
    return Remembers()


class Before(nn.Module):
    """``tiny``, with something done to the images first."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.change = tiny(), change

    def forward(self, images: Tensor) -> Tensor:
        return self.body(self.change(images))


def dropout_left_on() -> nn.Module:
    return Before(lambda images: functional.dropout(images, 0.05, training=True))


def dropout_under_gradients() -> nn.Module:
    """As torch has it where somebody looks at ``requires_grad`` instead of ``training``."""
    return Before(lambda images: functional.dropout(images, 0.3, training=images.requires_grad))


def numpy_noise() -> nn.Module:
    return Before(lambda images: images + torch.from_numpy(np.random.randn(*images.shape)).to(images) * 0.1)


def noise_by_position() -> nn.Module:
    """Noise from a generator that is seeded anew in every call: of each row its own."""

    def noisy(images: Tensor) -> Tensor:
        return images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).to(images)

    return Before(noisy)


def counts_its_calls() -> nn.Module:
    """Every call gets other noise, from a generator of its own."""
    calls = iter(range(10**9))

    def noisy(images: Tensor) -> Tensor:
        drawn = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(next(calls)))
        return images + 0.1 * drawn.to(images)

    return Before(noisy)


def tires_after_twenty_calls() -> nn.Module:
    """Right as long as anybody looks at it before the attack."""
    calls = iter(range(10**9))
    return Before(lambda images: images if next(calls) < 20 else images * 0.9)


def batch_statistics() -> nn.Module:
    """Batch norm without running statistics."""
    return Before(lambda images: functional.batch_norm(images, None, None, training=True))


class Answer:
    """An attack that answers whatever its subclass says, asking the model once."""

    def __init__(self, model: nn.Module, eps: float = 0.1) -> None:
        self.model, self.eps = model, eps

    def __call__(self, images: Tensor, labels: Tensor) -> Any:
        self.model(images)
        return self.answer(images, labels)

    def answer(self, images: Tensor, labels: Tensor) -> Any:
        return images


class LeavesBall(Answer):
    """One pixel of one image, a thousandth too far."""

    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        moved = images.clone()
        pixel = moved[-1, 0, 0, 0]
        moved[-1, 0, 0, 0] = pixel + (self.eps * 1.001 if pixel < 0.5 else -self.eps * 1.001)
        return moved


class Noise(Answer):
    """As far as 0.3, whatever its radius."""

    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        drawn = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)).to(images)
        return (images + 0.6 * drawn - 0.3).clamp(0, 1)


class NoRadius:
    """An attack without parameters."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        return images


class NoNumber(Answer):
    """Its radius has no number until somebody gives one."""

    def __init__(self, model: nn.Module, eps: float | None = None) -> None:
        super().__init__(model, eps or 0.0)


class ByName(Answer):
    """Its radius has to be given, by its name."""

    def __init__(self, model: nn.Module, *, eps: float) -> None:
        super().__init__(model, eps)


class NotFinite(Answer):
    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        broken = images.clone()
        broken[0, 0, 0, 0] = torch.nan
        return broken


class WrongShape(Answer):
    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        return images[:, :, 1:]


class NoTensor(Answer):
    def answer(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images, labels


class TooBright(Answer):
    """Inside the ball around a white pixel, outside what an image may be."""

    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        return (images + self.eps / 2).clamp_max(1 + self.eps / 2)


class ComesBack(Answer):
    """Asks about brighter images, answers with the clean ones."""

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        self.model((images + self.eps).clamp(0, 1))
        return images


class MovesCleanImages(Answer):
    """In place, and as far as an image goes."""

    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.copy_(1 - images)


class ChangesLabels(Answer):
    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        labels += 1
        return images


class Trains(Answer):
    """ "Restores" training mode through every wrapper, as torchattacks does."""

    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        self.model.train()
        self.model(images)
        return images


class RunsOutOfMemory(Answer):
    def answer(self, images: Tensor, labels: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nSee documentation.")


class WithoutGradients(nn.Module):
    """Its forward is a service's: it computes no gradients, whoever asks."""

    def __init__(self) -> None:
        super().__init__()
        self.net = tiny()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


def without_gradients() -> nn.Module:
    return WithoutGradients()


def quantised() -> nn.Module:
    """Linear layers of 8 bits, whose operators have no backward."""
    return torch.ao.quantization.quantize_dynamic(tiny().eval(), {nn.Linear})

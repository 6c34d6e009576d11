"""A sound zoo model behind maskings: what looks like robustness and is none, and what is honestly something else."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from robustness_tests import zoo
from tests.evaluate import zoo as shipped

MEAN, STD = (torch.tensor(values).view(1, 3, 1, 1) for values in (zoo.MEAN, zoo.STD))
#: The suites of the tests attack in this ball.
EPS = 0.01


def sound(name: str = "vgg11_bn") -> nn.Module:
    """The zoo's model itself."""
    model = zoo.ARCHITECTURES[name]()
    model.load_state_dict({key: value.float() for key, value in load_file(zoo.WEIGHTS / f"{name}.safetensors").items()})
    return model.eval()


class Behind(nn.Module):
    """The model with something done to its pixels in [0, 1] before, and to its logits after."""

    def __init__(
        self,
        before: Callable[[Tensor], Tensor] = lambda pixels: pixels,
        after: Callable[[Tensor], Tensor] = lambda logits: logits,
        model: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model, self.before, self.after = model or sound(), before, after

    def forward(self, images: Tensor) -> Tensor:
        return self.after(self.model((self.before(images * STD + MEAN) - MEAN) / STD))


class Backwards(torch.autograd.Function):
    """Forward the identity; backward whatever is made of the gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        context.change = change
        return values.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return context.change(gradient), None


def with_gradient(change: Callable[[Tensor], Tensor]) -> nn.Module:
    """The sound model, whose gradient to the pixels is changed."""
    return Behind(lambda pixels: Backwards.apply(pixels, change))


def resisting() -> nn.Module:
    """The zoo's model that really resists, by adversarial training."""
    return shipped.resisting()


def logits_times_30() -> nn.Module:
    return Behind(after=lambda logits: logits * 30)


def temperature_1000() -> nn.Module:
    """So flat that cross-entropy has hardly a digit left."""
    return Behind(after=lambda logits: logits * 1e-3)


def rounded_to_16_levels() -> nn.Module:
    return Behind(lambda pixels: (pixels * 15).round() / 15)


def rounded_to_64_levels() -> nn.Module:
    return Behind(lambda pixels: (pixels * 63).round() / 63)


def rounded_to_256_levels() -> nn.Module:
    """What every camera does."""
    return Behind(lambda pixels: (pixels * 255).round() / 255)


def rounded_logits() -> nn.Module:
    return Behind(after=lambda logits: (logits * 4).round() / 4)


def jpeg_inside() -> nn.Module:
    def compressed(pixels: Tensor) -> Tensor:
        made = []
        for image in (pixels.detach().permute(0, 2, 3, 1) * 255).round().clamp(0, 255).byte().cpu().numpy():
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=90)
            made.append(np.asarray(Image.open(file)))
        return torch.from_numpy(np.stack(made)).to(pixels).permute(0, 3, 1, 2) / 255

    return Behind(compressed)


def gradient_of_nan() -> nn.Module:
    """As the square root of zero in a branch of value 0 has it."""
    return with_gradient(lambda gradient: gradient * torch.nan)


def decoy_gradient() -> nn.Module:
    """The gradient of the mirrored image."""
    return with_gradient(lambda gradient: gradient.flip(3))


class HalfDetached(nn.Module):
    """A layer of whose channels the second half leads back to nothing."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor) -> Tensor:
        first, second = self.layer(values).chunk(2, 1)
        return torch.cat([first, second.detach()], 1)


def half_of_the_channels_detached() -> nn.Module:
    model = sound()
    module, name = next(
        (module, name)
        for module in model.modules()
        for name, child in module.named_children()
        if isinstance(child, nn.Conv2d)
    )
    setattr(module, name, HalfDetached(getattr(module, name)))
    return model


def all_but_a_band_detached() -> nn.Module:
    return Behind(lambda pixels: torch.cat([pixels[:, :, :15].detach(), pixels[:, :, 15:]], 2))


def blurred_gradient() -> nn.Module:
    """The mean of the gradients around."""
    return with_gradient(lambda gradient: functional.avg_pool2d(gradient, 5, 1, 2))


def softmax_head() -> nn.Module:
    return Behind(after=lambda logits: logits.softmax(1))


def log_softmax_head() -> nn.Module:
    return Behind(after=lambda logits: logits.log_softmax(1))


class Detector(nn.Module):
    """Turns away, with a constant answer, every image that no camera made: pixels between the 256 levels."""

    def __init__(self) -> None:
        super().__init__()
        self.model = sound()

    def forward(self, images: Tensor) -> Tensor:
        levels = (images * STD + MEAN) * 255
        made_up = (levels - levels.round()).abs().amax((1, 2, 3)) > 0.02
        constant = functional.one_hot(torch.zeros(len(images), dtype=torch.int64), 10).to(images) * 20
        return torch.where(made_up.unsqueeze(1), constant, self.model(images))


def detector() -> nn.Module:
    return Detector()


def dropout_under_gradients() -> nn.Module:
    return Behind(lambda pixels: functional.dropout(pixels, 0.3, training=pixels.requires_grad))


class KWinners(nn.Module):
    """Of each channel's activations only the largest share lives (Xiao et al., "k-winners-take-all")."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        flat = values.flatten(1)
        kept = max(1, int(self.share * flat.shape[1]))
        least = flat.topk(kept, 1).values[:, -1:]
        return torch.where(flat >= least, flat, 0.0).view_as(values)


class DeadZone(nn.Module):
    """A ReLU that is flat up to a threshold and jumps there."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, values: Tensor) -> Tensor:
        return torch.where(values > self.threshold, values, 0.0)


def with_activation(build: Callable[[], nn.Module]) -> nn.Module:
    """The sound model with every ReLU replaced."""
    model = sound()
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, build())
    return model


def k_winners_10() -> nn.Module:
    return with_activation(lambda: KWinners(0.10))


def k_winners_15() -> nn.Module:
    return with_activation(lambda: KWinners(0.15))


def k_winners_30() -> nn.Module:
    return with_activation(lambda: KWinners(0.30))


def dead_zone_mild() -> nn.Module:
    return with_activation(lambda: DeadZone(0.1))


def dead_zone_wide() -> nn.Module:
    return with_activation(lambda: DeadZone(0.5))


class LogMeans(nn.Module):
    """The logarithm of the mean of several models' probabilities."""

    def __init__(self, *models: nn.Module) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([model(images).softmax(1) for model in self.models]).mean(0).log()


def ensemble_of_log_means() -> nn.Module:
    return LogMeans(sound(), sound("vgg13_bn"))


def saturating_tanh() -> nn.Module:
    """Logits squashed so that most margins are lost to rounding."""
    return Behind(after=lambda logits: torch.tanh(logits * 4) + 1e-6 * logits)


def temperature_10() -> nn.Module:
    return Behind(after=lambda logits: logits / 10)


def tanh_of_five() -> nn.Module:
    """Logits bounded by five, whose order stays: a head of some distilled and some regression models."""
    return Behind(after=lambda logits: 5 * torch.tanh(logits / 5))


def tanh_of_vgg11() -> nn.Module:
    """Without batch norm logits are twice as large."""
    return Behind(after=lambda logits: 5 * torch.tanh(logits / 5), model=sound("vgg11"))


def sigmoid_head() -> nn.Module:
    """A score a class, each by itself, of a model that was trained with a binary loss a class."""
    return Behind(after=torch.sigmoid)


def squared() -> nn.Module:
    return Behind(after=lambda logits: logits.clamp_min(0).square())


def border_detached() -> nn.Module:
    """All but the outermost pixels, an eighth of the image, has its gradient."""
    return Behind(before=lambda images: _framed(images[..., 1:-1, 1:-1], images))


def _framed(inside: Tensor, images: Tensor) -> Tensor:
    padded = functional.pad(inside, (1, 1, 1, 1))
    return padded + (images - padded).detach()


def stripe_detached() -> nn.Module:
    """An eighth of the columns has no gradient."""
    return Behind(before=lambda images: torch.cat([images[..., :4].detach(), images[..., 4:]], -1))

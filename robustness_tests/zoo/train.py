"""Train zoo models on CIFAR-10: ``python -m robustness_tests.zoo.train vgg11 vgg11_bn``.

One recipe for all: LSUV initialisation, AdamW with weight decay on weights only, linear warm-up then linear decay,
gradient clipping, per-image reflect-pad crops and flips. Every random number follows from the seed, the epoch and the
model's name, and a checkpoint is kept outside the checkout after each epoch: a run that was interrupted and started
again ends with the weights of one that was not.

Source of the initialisation: Mishkin and Matas, "All you need is a good init" (LSUV).
"""

import argparse
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from robustness_tests.zoo import ARCHITECTURES, MEAN, STD, WEIGHTS, cifar10

EPOCHS = 20
MORE_EPOCHS = {"mobilenet_v2": 30}  # where 20 leave it below the others
BATCH = 128
PADDING = 4
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
WARM_UP = 0.1  # share of all steps
CLIP = 2.0  # gradient norm

#: What to learn from instead of the images: of (model, normalised images, labels, random generator), images as they.
Perturbation = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]


def generator(*key: object) -> torch.Generator:
    """A random generator that follows from ``key`` alone."""
    digest = sha256(json.dumps(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def normalised(images: Tensor) -> Tensor:
    """(N, 3, 32, 32) uint8 -> float32, channels last."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def augmented(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image shifted by up to ``PADDING`` pixels both ways (reflected at the border), half of them mirrored."""
    count, _, height, width = images.shape
    shifts = torch.randint(-PADDING, PADDING + 1, (2, count, 1), generator=rng)
    rows = torch.arange(height) + shifts[0]
    columns = torch.arange(width) + shifts[1]
    columns = torch.where(torch.rand(count, 1, generator=rng) < 0.5, columns.flip(1), columns)

    def reflected(index: Tensor, size: int) -> Tensor:
        index = index.abs()
        return torch.where(index >= size, 2 * (size - 1) - index, index)

    rows, columns = reflected(rows, height), reflected(columns, width)
    return images[torch.arange(count).view(-1, 1, 1), :, rows.unsqueeze(2), columns.unsqueeze(1)].permute(0, 3, 1, 2)


@torch.no_grad()
def initialise(model: nn.Module, inputs: Tensor, rng: torch.Generator) -> None:
    """LSUV: orthogonal weights, then each layer scaled, in order, until its outputs have unit variance."""
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        rows = layer.weight.flatten(1)
        normal = torch.randn(rows.shape, generator=rng)
        q, r = torch.linalg.qr(normal if len(rows) >= rows.shape[1] else normal.T)
        q = q * r.diagonal().sign()
        layer.weight.copy_((q if len(rows) >= rows.shape[1] else q.T).view_as(layer.weight))
        if layer.bias is not None:
            layer.bias.zero_()

    def rescale(layer: nn.Conv2d | nn.Linear, _: object, output: Tensor) -> Tensor:
        scale = output.std().clamp_min(1e-6)
        layer.weight.div_(scale)
        return output / scale  # exact: the bias is zero

    hooks = [layer.register_forward_hook(rescale) for layer in layers]
    try:
        model.train()(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()


def parameter_groups(model: nn.Module) -> list[dict[str, object]]:
    """Weight decay on matrices and kernels, none on biases and batch norm."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]


def learning_rate(step: int, steps: int) -> float:
    warm_up = max(1, round(steps * WARM_UP))
    return LEARNING_RATE * min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))


@torch.no_grad()
def top_k(model: nn.Module, images: Tensor, labels: Tensor, k: tuple[int, ...] = (1, 5)) -> list[float]:
    """Share of images whose label is among the ``k`` largest logits, for each ``k``."""
    model.eval()
    ranks = []
    for start in range(0, len(images), 500):
        logits = model(normalised(images[start : start + 500]))
        truth = logits.gather(1, labels[start : start + 500, None])
        ranks.append((logits > truth).sum(1))
    rank = torch.cat(ranks)
    return [float((rank < depth).double().mean()) for depth in k]


def batches(images: Tensor, labels: Tensor, rng: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    for index in torch.randperm(len(images), generator=rng).split(BATCH):
        yield normalised(augmented(images[index], rng)), labels[index]


def train(
    name: str,
    data: cifar10.Cifar10,
    *,
    epochs: int,
    seed: int,
    checkpoints: Path,
    architecture: str | None = None,
    perturb: Perturbation | None = None,
) -> nn.Module:
    """Train one model, from its last checkpoint if there is one; returns it in eval mode.

    Args:
        name: names the checkpoints, and the random numbers follow from it.
        data: all of CIFAR-10; the test images are only looked at after each epoch.
        epochs, seed, checkpoints: how long, the key of the random numbers, the folder of the checkpoints.
        architecture: one of the zoo's; default: the one called ``name``.
        perturb: replaces each batch's images before a step; default: they stay as they are.
    """
    torch.manual_seed(seed)
    images, labels = tensors(data.train)
    model = ARCHITECTURES[architecture or name]().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=LEARNING_RATE)
    checkpoint = checkpoints / f"{name}-seed{seed}-epochs{epochs}.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"] + 1
    else:
        rng = generator(seed, name, "initialise")
        initialise(model, next(batches(images, labels, rng))[0], rng)
        first = 0
    per_epoch = -(-len(images) // BATCH)
    for epoch in range(first, epochs):
        rng = generator(seed, name, epoch)
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))  # dropout, stochastic depth
        model.train()
        losses = []
        progress = tqdm(batches(images, labels, rng), f"{name} {epoch + 1}/{epochs}", per_epoch, disable=None)
        for i, (inputs, targets) in enumerate(progress):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch * per_epoch + i, epochs * per_epoch)
            learned = perturb(model, inputs, targets, rng) if perturb else inputs
            cost = functional.cross_entropy(model(learned), targets)
            optimizer.zero_grad()
            cost.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            losses.append(cost.detach())
        (accuracy,) = top_k(model, *tensors(data.test), k=(1,))
        loss = float(torch.stack(losses).mean())
        print(f"{name} epoch {epoch + 1}/{epochs}: loss {loss:.3f}, test top-1 {accuracy:.2%}", flush=True)
        save_whole(
            {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()},
            checkpoint,
        )
    return model.eval()


def tensors(split: cifar10.Split) -> tuple[Tensor, Tensor]:
    """(N, 3, 32, 32) uint8 and (N,) int64."""
    return torch.from_numpy(split.images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(split.labels)


def save_whole(state: dict[str, object], path: Path) -> None:
    """An interrupted write leaves the old checkpoint."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def export(model: nn.Module, path: Path) -> None:
    """Weights as safetensors, half precision; integers (batch counters) as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    save_file(state, path)
    path.chmod(0o644)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command which trains has."""
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="rounding, and so the weights, may depend on it")
    parser.add_argument("--data", type=Path, help="CIFAR-10 as .npz (default: downloaded to the cache folder)")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="folder of the weights (default: %(default)s)")
    parser.add_argument("--checkpoints", type=Path, default=cifar10.cache_folder() / "checkpoints")


def prepared(arguments: argparse.Namespace) -> cifar10.Cifar10:
    """Set torch and the folder of checkpoints as the options say; returns the data."""
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    arguments.checkpoints.mkdir(parents=True, exist_ok=True)
    return cifar10.load(arguments.data)


def ship(name: str, model: nn.Module, data: cifar10.Cifar10, folder: Path) -> None:
    """Export a trained model to the folder and print how accurate it is; it is rounded to what was stored."""
    path = folder / f"{name}.safetensors"
    export(model, path)
    model.load_state_dict({k: v.half().to(v.dtype) for k, v in model.state_dict().items()})
    top_1, top_5 = top_k(model, *tensors(data.test))
    print(f"{name}: top-1 {top_1:.2%}, top-5 {top_5:.2%} on the test images, weights in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m robustness_tests.zoo.train", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", choices=sorted(ARCHITECTURES), metavar="MODEL")
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}, but {MORE_EPOCHS}")
    add_options(parser)
    arguments = parser.parse_args()
    data = prepared(arguments)
    for name in arguments.models:
        epochs = arguments.epochs or MORE_EPOCHS.get(name, EPOCHS)
        model = train(name, data, epochs=epochs, seed=arguments.seed, checkpoints=arguments.checkpoints)
        ship(name, model, data, arguments.output)


if __name__ == "__main__":
    main()

"""Adversarial training learns from attacks in the ball, and the model that is shipped resists them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_robustness.evaluate.health.pgd import reference_pgd
from pytest_robustness.evaluate.models.classifier import Classifier
from pytest_robustness.evaluate.models.weights import load_weights
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from robustness_tests.zoo import ARCHITECTURES, IMAGES, MEAN, STD, WEIGHTS, cifar10, train
from robustness_tests.zoo import train_adversarially as adversarial
from robustness_tests.zoo.train_adversarially import ARCHITECTURE, EPS, NAME, STEP, STEPS, perturbed

CHANNELS = (1, 3, 1, 1)


def split(count: int, seed: int) -> cifar10.Split:
    rng = np.random.default_rng(seed)
    return cifar10.Split(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count))


DATA = cifar10.Cifar10(split(60, 0), split(20, 1))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "BATCH", 16)


def batch() -> tuple[Tensor, Tensor]:
    images, labels = train.tensors(DATA.train)
    return train.normalised(images), labels


def pixels(normalised: Tensor) -> np.ndarray:
    """By hand: (N, 3, H, W) in [0, 1]."""
    return normalised.double().numpy() * np.reshape(STD, CHANNELS) + np.reshape(MEAN, CHANNELS)


# --- the attack ----------------------------------------------------------------------------------------------------


def test_the_attack_of_a_linear_model_is_what_arithmetic_says() -> None:
    """Its gradient's sign is the same everywhere, so that all steps lead the same way."""
    inputs, labels = batch()
    labels = labels % 2
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    found = perturbed(model, inputs, labels, train.generator("a"))

    drawn = torch.empty_like(inputs).uniform_(-1, 1, generator=train.generator("a")).double().numpy()
    difference = (model[1].weight[1] - model[1].weight[0]).detach().double().numpy().reshape(1, 3, 32, 32)
    away = np.where(labels.numpy() == 0, 1, -1).reshape(-1, 1, 1, 1) * np.sign(difference)
    clean = pixels(inputs)
    low, high = np.maximum(clean - EPS, 0), np.minimum(clean + EPS, 1)
    expected = np.clip(clean + EPS * drawn, low, high)
    for _ in range(STEPS):
        expected = np.clip(expected + STEP * away, low, high)
    assert pixels(found) == pytest.approx(expected, abs=1e-6)
    assert 0.1 < (np.abs(expected - clean) < EPS * 0.99).mean() < 0.5  # some starts are too far off to reach the edge


def test_the_attack_stays_in_the_ball_and_raises_the_loss_of_a_network() -> None:
    inputs, labels = batch()
    model = ARCHITECTURES[ARCHITECTURE]()
    train.initialise(model, inputs, train.generator("b"))
    found = perturbed(model, inputs, labels, train.generator("a"))
    moved = np.abs(pixels(found) - pixels(inputs))
    assert moved.max() <= EPS + 1e-6
    assert pixels(found).min() >= -1e-6
    assert pixels(found).max() <= 1 + 1e-6
    random = inputs + (found - inputs).abs() * torch.randn_like(inputs).sign()
    with torch.no_grad():
        model.eval()
        clean, noisy, attacked = (float(functional.cross_entropy(model(x), labels)) for x in (inputs, random, found))
    assert attacked > clean + 0.1
    assert attacked > noisy + 0.1


def test_the_attack_leaves_the_model_as_it_is_trained() -> None:
    inputs, labels = batch()
    model = ARCHITECTURES[ARCHITECTURE]().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = perturbed(model, inputs, labels, train.generator("a"))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not found.requires_grad
    assert torch.equal(found, perturbed(model, inputs, labels, train.generator("a")))
    assert not torch.equal(found, perturbed(model, inputs, labels, train.generator("b")))


# --- training ------------------------------------------------------------------------------------------------------


def trained(folder: Path, epochs: int = 2) -> dict[str, Tensor]:
    folder.mkdir(exist_ok=True)
    model = train.train(
        NAME, DATA, epochs=epochs, seed=0, checkpoints=folder, architecture=ARCHITECTURE, perturb=perturbed
    )
    return model.state_dict()


def test_training_sees_what_the_attack_makes_and_nothing_else(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    def blank(model: nn.Module, inputs: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        seen.append(labels)
        return torch.zeros_like(inputs)

    model = train.train(NAME, DATA, epochs=1, seed=0, checkpoints=tmp_path, architecture="vgg11_bn", perturb=blank)
    first = model.features[1]  # what batch norm saw of a convolution of zeros: its bias, and no variance
    assert sorted(torch.cat(seen).tolist()) == sorted(DATA.train.labels.tolist())
    assert float(first.running_var.max()) == pytest.approx((1 - first.momentum) ** len(seen))


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = trained(tmp_path / "once")
    rate = train.learning_rate

    def stop(step: int, steps: int) -> float:
        if step == 6:  # in the second of two epochs
            raise KeyboardInterrupt
        return rate(step, steps)

    with monkeypatch.context() as patch:
        patch.setattr(train, "learning_rate", stop)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "interrupted")
    torch.manual_seed(1234)
    again = trained(tmp_path / "interrupted")
    assert all(torch.equal(value, again[key]) for key, value in once.items())


def test_the_command_trains_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cifar10, "load", lambda path: DATA)
    options = ["--epochs", "2", "--output", str(tmp_path / "weights"), "--checkpoints", str(tmp_path / "checkpoints")]
    monkeypatch.setattr(sys, "argv", ["train_adversarially", *options])
    adversarial.main()
    path = tmp_path / "weights" / f"{NAME}.safetensors"
    assert f"weights in {path}" in capsys.readouterr().out
    stored = load_file(path)
    assert all(torch.equal(stored[key], value.to(stored[key].dtype)) for key, value in trained(tmp_path).items())


# --- what is shipped -----------------------------------------------------------------------------------------------


def unselected() -> tuple[Tensor, Tensor]:
    """A thousand test images drawn blindly, (N, 3, 32, 32) in [0, 1], and their labels."""
    with np.load(IMAGES / "unselected.npz") as stored:
        images, labels = torch.from_numpy(stored["images"]), torch.from_numpy(stored["labels"]).long()
    return images.permute(0, 3, 1, 2).contiguous().float() / 255, labels


def test_the_file_is_small_and_holds_finite_halves() -> None:
    path = WEIGHTS / f"{NAME}.safetensors"
    assert path.stat().st_size <= 3_000_000
    floating = [value for value in load_file(path).values() if value.is_floating_point()]
    assert {value.dtype for value in floating} == {torch.float16}
    assert all(bool(value.isfinite().all()) for value in floating)


def success(name: str, images: Tensor, labels: Tensor, eps: float) -> tuple[float, float]:
    """Accuracy, and the share of correctly classified images that PGD of ten steps fools."""
    model = ARCHITECTURES[ARCHITECTURE]()
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    with Classifier(model, mean=MEAN, std=STD) as classifier, torch.no_grad():
        right = classifier(images).argmax(1) == labels
        with torch.enable_grad():
            fooled = reference_pgd(classifier, images[right], labels[right], eps=eps, steps=10, step=eps / 4, start=0)
    return float(right.double().mean()), float(fooled.double().mean())


def test_the_model_classifies_and_resists_and_its_twin_of_the_suite_does_not() -> None:
    images, labels = unselected()
    accuracy, fooled = success(NAME, images, labels, 0.01)
    assert accuracy > 0.70
    assert fooled < 0.25
    _, fooled = success(ARCHITECTURE, images[:200], labels[:200], 0.01)
    assert fooled > 0.60


def test_nothing_is_hidden_from_attacks_on_it() -> None:
    """A large enough ball fools it on every image: an attack that fails does not fail for want of gradients."""
    images, labels = unselected()
    _, fooled = success(NAME, images[:100], labels[:100], 0.2)
    assert fooled == 1

"""Training follows from the seed alone, however often it is interrupted."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_robustness.evaluate.models.weights import load_weights
from safetensors.torch import load_file
from torch import Tensor, nn

from robustness_tests.zoo import ARCHITECTURES, cifar10, train

EPOCHS = 2


def split(count: int, seed: int) -> cifar10.Split:
    rng = np.random.default_rng(seed)
    return cifar10.Split(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count))


DATA = cifar10.Cifar10(split(60, 0), split(20, 1))  # the last of four batches is smaller


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "BATCH", 16)


def trained(folder: Path, name: str = "vgg11_bn", seed: int = 0, epochs: int = EPOCHS) -> dict[str, Tensor]:
    folder.mkdir(exist_ok=True)
    return train.train(name, DATA, epochs=epochs, seed=seed, checkpoints=folder).state_dict()


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "BATCH", 16)
        return {name: trained(tmp_path_factory.mktemp(name), name) for name in ("vgg11", "vgg11_bn")}


class Interrupt(BaseException):
    pass


def _raise_if(function: Callable[..., object], when: Callable[..., bool]) -> Callable[..., object]:
    def wrapped(*args: object, **kwargs: object) -> object:
        if when(*args, **kwargs):
            raise Interrupt
        return function(*args, **kwargs)

    return wrapped


#: A step that does not come to pass, of four an epoch; whether there is a checkpoint by then.
INTERRUPTIONS = {
    "before the first step": (0, False),
    "in the first epoch": (2, False),
    "between the epochs": (4, True),
    "in the second epoch": (6, True),
}


def interrupted(folder: Path, patch: pytest.MonkeyPatch, name: str, step: int) -> None:
    """Training up to a step. The rate is asked for once a step and group of parameters."""
    with patch.context() as once:
        once.setattr(train, "learning_rate", _raise_if(train.learning_rate, lambda asked, _: asked == step))
        with pytest.raises(Interrupt):
            trained(folder, name)
    torch.manual_seed(1234)  # whatever happens in between


@pytest.mark.parametrize(("step", "checkpoint"), INTERRUPTIONS.values(), ids=INTERRUPTIONS)
@pytest.mark.parametrize("model", ["vgg11", "vgg11_bn"])
def test_a_run_that_was_interrupted_ends_with_the_same_weights(
    uninterrupted: dict[str, dict[str, Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    step: int,
    checkpoint: bool,
) -> None:
    interrupted(tmp_path, monkeypatch, model, step)
    assert bool(list(tmp_path.iterdir())) == checkpoint
    assert equal(trained(tmp_path, model), uninterrupted[model])


def test_dropout_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "mobilenet_v3_small"
    assert any(isinstance(module, nn.Dropout) for module in ARCHITECTURES[name]().modules())
    once = trained(tmp_path / "once", name)
    interrupted(tmp_path / "interrupted", monkeypatch, name, 6)
    assert equal(trained(tmp_path / "interrupted", name), once)


def test_a_checkpoint_that_was_cut_off_leaves_the_one_before(
    uninterrupted: dict[str, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save
    saves = []

    def cut(state: object, path: Path) -> None:
        save(state, path)
        saves.append(path)
        if len(saves) == 2:
            path.write_bytes(path.read_bytes()[:1000])
            raise Interrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", cut)
        with pytest.raises(Interrupt):
            trained(tmp_path)
    assert equal(trained(tmp_path), uninterrupted["vgg11_bn"])


def test_a_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = trained(tmp_path)
    monkeypatch.setattr(train, "learning_rate", _raise_if(train.learning_rate, lambda *_: True))
    assert equal(trained(tmp_path), once)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    uninterrupted: dict[str, dict[str, Tensor]], tmp_path: Path
) -> None:
    torch.manual_seed(99)
    assert equal(trained(tmp_path / "same"), uninterrupted["vgg11_bn"])
    other = trained(tmp_path / "other", seed=1)
    assert not any(torch.equal(value, other[key]) for key, value in uninterrupted["vgg11_bn"].items() if value.ndim > 1)


def test_runs_of_other_seeds_and_lengths_do_not_take_each_other_s_checkpoints(tmp_path: Path) -> None:
    first = trained(tmp_path)
    longer, other = trained(tmp_path, epochs=3), trained(tmp_path, seed=1)
    assert not equal(first, longer)
    assert not equal(first, other)
    assert int(longer["features.1.num_batches_tracked"]) == 3 * 4
    assert equal(trained(tmp_path), first)


def test_every_epoch_of_every_model_and_seed_has_an_order_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []
    batches = train.batches

    def watched(images: Tensor, labels: Tensor, rng: torch.Generator) -> object:
        seeds.append(rng.initial_seed())
        return batches(images, labels, rng)

    monkeypatch.setattr(train, "batches", watched)
    for name, seed in (("vgg11", 0), ("vgg11", 1), ("vgg11_bn", 0)):
        trained(tmp_path, name, seed)
    assert len(seeds) == len(set(seeds)) == 3 * (EPOCHS + 1)  # one to initialise


def test_random_numbers_follow_from_their_key_alone() -> None:
    draws = {key: torch.rand(4, generator=train.generator(*key)) for key in ((0, "a", 1), (0, "a", 2), (1, "a", 1))}
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == 3
    torch.manual_seed(5)
    assert torch.equal(torch.rand(4, generator=train.generator(0, "a", 1)), draws[0, "a", 1])


# --- augmentation ------------------------------------------------------------------------------------------------


def numbered(count: int, size: int) -> Tensor:
    """The same image, each pixel of which tells its row and column. (N, 3, H, W)."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([row, column, row + column]).to(torch.uint8).expand(count, -1, -1, -1)


def test_augmentation_keeps_shape_and_type() -> None:
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    once = train.augmented(images, train.generator("a"))
    assert (once.shape, once.dtype) == (images.shape, images.dtype)
    assert torch.equal(once, train.augmented(images, train.generator("a")))
    assert not torch.equal(once, train.augmented(images, train.generator("b")))


def test_without_shift_and_mirror_an_image_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    monkeypatch.setattr(train, "PADDING", 0)
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.ones(size))
    assert torch.equal(train.augmented(images, train.generator("a")), images)
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.zeros(size))
    assert torch.equal(train.augmented(images, train.generator("a")), images.flip(3))


def test_augmentation_is_a_crop_of_numpy_s_reflected_image_and_every_crop_occurs() -> None:
    count, size, padding = 4000, 16, train.PADDING
    image = numbered(1, size)[0].numpy()
    wide = np.pad(image, ((0, 0), (padding, padding), (padding, padding)), mode="reflect")
    crops = {}
    for row in range(2 * padding + 1):
        for column in range(2 * padding + 1):
            crop = wide[:, row : row + size, column : column + size]
            crops[crop.tobytes()] = (row, column, False)
            crops[crop[:, :, ::-1].tobytes()] = (row, column, True)
    assert len(crops) == 2 * 9 * 9
    found = [crops[one.tobytes()] for one in train.augmented(numbered(count, size), train.generator("a")).numpy()]
    assert set(found) == set(crops.values())
    assert 0.45 < np.mean([mirrored for _, _, mirrored in found]) < 0.55
    for axis in (0, 1):
        shares = np.bincount([one[axis] for one in found]) / count
        assert shares == pytest.approx(np.full(9, 1 / 9), abs=0.025)


def test_an_epoch_shows_every_image_once() -> None:
    images, labels = train.tensors(cifar10.Split(DATA.train.images, np.arange(60)))
    seen = [targets for _, targets in train.batches(images, labels, train.generator("a"))]
    assert [len(targets) for targets in seen] == [16, 16, 16, 12]
    order = torch.cat(seen).tolist()
    assert sorted(order) == list(range(60))
    assert order != list(range(60))


def test_inputs_are_normalised_per_channel() -> None:
    images, _ = train.tensors(DATA.test)
    expected = (DATA.test.images / 255 - np.array(train.MEAN)) / np.array(train.STD)
    assert train.normalised(images).numpy() == pytest.approx(expected.transpose(0, 3, 1, 2), abs=1e-5)


# --- recipe ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [10, 100, 7820])
def test_the_learning_rate_warms_up_linearly_and_decays_linearly_to_the_last_step(steps: int) -> None:
    rates = np.array([train.learning_rate(step, steps) for step in range(steps)])
    warm = round(steps * train.WARM_UP)
    assert rates[0] == pytest.approx(train.LEARNING_RATE / warm)
    assert rates.max() == pytest.approx(train.LEARNING_RATE)
    assert rates[: warm + 1].argmax() in (warm - 1, warm)
    assert np.diff(rates[:warm]) == pytest.approx(train.LEARNING_RATE / warm)
    assert np.diff(rates[warm:]) == pytest.approx(-train.LEARNING_RATE / (steps - warm))
    assert rates[-1] == pytest.approx(train.LEARNING_RATE / (steps - warm))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_run_of_a_few_steps_learns_at_every_one(steps: int) -> None:
    assert all(0 < train.learning_rate(step, steps) <= train.LEARNING_RATE for step in range(steps))


def test_weights_decay_and_biases_and_batch_norm_do_not() -> None:
    model = ARCHITECTURES["vgg11_bn"]()
    decayed, others = train.parameter_groups(model)
    assert (decayed["weight_decay"], others["weight_decay"]) == (train.WEIGHT_DECAY, 0)
    matrices = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    assert {id(parameter) for parameter in decayed["params"]} == matrices
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("name", ["vgg19", "vgg11_bn"])
def test_initialisation_gives_every_layer_outputs_of_unit_variance(name: str) -> None:
    model = ARCHITECTURES[name]()
    inputs = train.normalised(train.tensors(DATA.train)[0])
    train.initialise(model, inputs, train.generator("a"))
    spreads = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda _, __, output: spreads.append(float(output.std())))
        if isinstance(layer, nn.BatchNorm2d):
            assert torch.equal(layer.running_mean, torch.zeros_like(layer.running_mean))
            assert torch.equal(layer.running_var, torch.ones_like(layer.running_var))
    with torch.no_grad():
        model.train()(inputs)
    assert spreads == pytest.approx([1.0] * int(name[3:5]), rel=1e-3)


def test_top_k_counts_labels_among_the_largest_logits() -> None:
    class Identity(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, 0, :10]

    images = torch.randint(0, 256, (700, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, 10, (700,))
    logits = images[:, 0, 0, :10].numpy().astype(int)
    better = (logits > np.take_along_axis(logits, labels.numpy()[:, None], 1)).sum(1)
    found = train.top_k(Identity(), images, labels, k=(1, 5, 10))
    assert found == pytest.approx([(better < 1).mean(), (better < 5).mean(), 1.0])


# --- export ------------------------------------------------------------------------------------------------------


def test_export_halves_floats_and_keeps_integers(tmp_path: Path) -> None:
    model = ARCHITECTURES["vgg11_bn"]().to(memory_format=torch.channels_last)
    path = tmp_path / "new folder" / "weights.safetensors"
    train.export(model, path)
    stored, state = load_file(path), model.state_dict()
    assert set(stored) == set(state)
    for key, value in state.items():
        expected = value.half() if value.is_floating_point() else value
        assert stored[key].dtype == expected.dtype
        assert torch.equal(stored[key], expected)
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
    assert path.stat().st_mode & 0o777 == 0o644
    again = ARCHITECTURES["vgg11_bn"]()
    load_weights(again, path)
    assert {value.dtype for value in again.state_dict().values()} == {torch.float32, torch.int64}


def test_the_command_trains_exports_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cifar10, "load", lambda path: DATA)
    options = ["--epochs", "1", "--output", str(tmp_path / "weights"), "--checkpoints", str(tmp_path / "checkpoints")]
    monkeypatch.setattr(sys, "argv", ["train", "vgg11", *options])
    train.main()
    path = tmp_path / "weights" / "vgg11.safetensors"
    first = path.read_bytes()
    shown = capsys.readouterr().out
    assert "vgg11 epoch 1/1: loss " in shown
    assert f"weights in {path}" in shown
    path.unlink()
    train.main()
    assert path.read_bytes() == first
    assert "epoch 1/1" not in capsys.readouterr().out
    load_weights(ARCHITECTURES["vgg11"](), path)


def test_a_model_that_needs_more_epochs_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_for = {}

    def train_instead(name: str, *_: object, epochs: int, **__: object) -> nn.Module:
        trained_for[name] = epochs
        return ARCHITECTURES[name]()

    monkeypatch.setattr(train, "train", train_instead)
    monkeypatch.setattr(cifar10, "load", lambda path: DATA)
    folders = ["--output", str(tmp_path), "--checkpoints", str(tmp_path)]
    for options in ([], ["--epochs", "2"]):
        monkeypatch.setattr(sys, "argv", ["train", "vgg11", "mobilenet_v2", *options, *folders])
        train.main()
        assert trained_for == ({"vgg11": 2, "mobilenet_v2": 2} if options else {"vgg11": 20, "mobilenet_v2": 30})


def test_the_command_refuses_a_model_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "vgg12"])
    with pytest.raises(SystemExit) as caught:
        train.main()
    assert caught.value.code == 2
    assert "vgg12" in capsys.readouterr().err

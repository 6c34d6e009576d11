"""The gate inside a training loop: ``RobustnessMonitor``."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pytest_robustness import Baselines, RobustnessError, attack, measure
from pytest_robustness.errors import GateFailed
from pytest_robustness.evaluate.models.checkpoint import note_of, save_checkpoint, unwrapped
from pytest_robustness.training import RobustnessMonitor, Score
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from robustness_tests.zoo import ARCHITECTURES, IMAGES, MEAN, STD
from robustness_tests.zoo.train import batches, generator, initialise, learning_rate, parameter_groups
from tests.evaluate import nets
from tests.evaluate.models.test_classifier import Picture
from tests.evaluate.suites import MEAN as GREY
from tests.evaluate.suites import STD as SPREAD
from tests.evaluate.suites import as_tensor, labels_of, pictures

PICTURES = pictures()
TINY = {"images": as_tensor(PICTURES), "labels": labels_of(PICTURES), "mean": [GREY], "std": [SPREAD], "log": None}
PGD = {"pgd": attack("PGD", eps=0.03, alpha=0.01, steps=4)}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def monitor(**how: Any) -> RobustnessMonitor:
    return RobustnessMonitor(**TINY | {"attacks": PGD} | how)


def states() -> list[Any]:
    """The states of all global random generators."""
    return [torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())]


def test_a_zoo_model_is_watched_while_it_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three epochs of the zoo's own recipe on some of its images, once with and once without a monitor."""
    with np.load(IMAGES / "selected.npz") as file:
        images, labels = torch.from_numpy(file["images"].transpose(0, 3, 1, 2).copy()), torch.from_numpy(file["labels"])
    images, labels, seen = images[:256], labels[:256], (images[256:276], labels[256:276])

    def trained(watch: RobustnessMonitor | None) -> tuple[nn.Module, list[dict[str, float] | None]]:
        torch.manual_seed(0)
        model = ARCHITECTURES["vgg11_bn"]()
        optimizer = torch.optim.AdamW(parameter_groups(model))
        initialise(model, next(batches(images, labels, generator("initialise")))[0], generator("more"))
        told = []
        for epoch in range(3):
            model.train()
            for step, (inputs, targets) in enumerate(batches(images, labels, generator(epoch))):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(2 * epoch + step, 6)
                optimizer.zero_grad()
                functional.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
            if watch is not None:
                told.append(watch.after_epoch(model))
        return model, told

    file = tmp_path / "best.safetensors"
    watch = RobustnessMonitor(
        *seen, name="vgg11_bn", mean=MEAN, std=STD, checkpoint=file, baselines=tmp_path / "kept", record=True
    )
    model, told = trained(watch)
    alone, _ = trained(None)
    for name, value in alone.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), f"{name}: watching changed the training"
    assert all(one is not None for one in told)
    scores = [Score(one["robustness/robust_accuracy"], one.get("robustness/distance", 0.0)) for one in told if one]
    assert watch.best is not None
    assert watch.best.score == max(scores)
    assert watch.best.epoch == scores.index(max(scores)) + 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "robust accuracy" in lines[0]
    assert watch.finish(model) == {}
    baselines = Baselines(tmp_path / "kept")
    assert baselines.names() == ["vgg11_bn/fgsm", "vgg11_bn/fmn"]

    best = ARCHITECTURES["vgg11_bn"]()
    best.load_state_dict(load_file(file))  # strictly, as anybody would
    now = measure(best, *seen, watch.attacks["fgsm"], mean=MEAN, std=STD, name="vgg11_bn/fgsm", device="cpu")
    assert now.evidence == baselines.read("vgg11_bn/fgsm").evidence


def test_what_is_logged_is_what_measure_says() -> None:
    watch = RobustnessMonitor(**TINY, eps=0.01)
    values = watch.after_epoch(nets.tiny())
    assert values is not None
    both = {
        name: measure(
            nets.tiny(), watch.images, watch.labels, how, mean=[GREY], std=[SPREAD], name=f"model/{name}", device="cpu"
        )
        for name, how in watch.attacks.items()
    }
    robust = [
        correct and not fgsm and not fmn
        for correct, fgsm, fmn in zip(
            both["fgsm"].evidence.correct, both["fgsm"].evidence.success, both["fmn"].evidence.success, strict=True
        )
    ]
    assert values["robustness/robust_accuracy"] == sum(robust) / len(robust)
    assert values["robustness/accuracy"] == sum(both["fgsm"].evidence.correct) / len(robust)
    assert values["robustness/distance"] == both["fmn"].aggregates.distance
    assert values["robustness/fmn/success_rate"] == both["fmn"].aggregates.success_rate
    assert 0 < values["robustness/robust_accuracy"] < values["robustness/accuracy"] < 1


def test_an_attack_of_any_distance_has_no_part_in_robust_accuracy() -> None:
    far = {"fmn": attack("FMN", norm="inf", steps=8)}
    values = monitor(attacks=far).after_epoch(nets.tiny())
    assert values is not None
    assert "robustness/robust_accuracy" not in values
    assert values["robustness/distance"] > 0


def test_the_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = nets.tiny().train()
    model.norm.eval()
    model.first.requires_grad_(False)
    model(torch.rand(4, nets.CHANNELS, nets.SIZE, nets.SIZE)).sum().backward()
    before, drawn = Picture(model), states()
    watch = monitor(checkpoint=tmp_path / "best.safetensors", baselines=tmp_path / "kept", record=True)
    watch.after_epoch(model)
    assert before.is_of(model)
    watch.best.score = Score(2, 2)  # so that the file keeps other weights than the model has at the end
    with torch.no_grad():
        model.last.bias.add_(0.1)
    before = Picture(model)
    watch.after_epoch(model)
    watch.finish(model)
    assert before.is_of(model)
    assert states() == drawn


def test_the_model_comes_back_from_a_failing_measurement(tmp_path: Path) -> None:
    watch = monitor(checkpoint=tmp_path / "best.safetensors", baselines=tmp_path / "kept")
    model = nets.tiny().train()
    watch.after_epoch(model)
    save_checkpoint(nets.Tiny(classes=3), tmp_path / "best.safetensors", {})
    before = Picture(model)
    with pytest.raises(RobustnessError, match=r"best\.safetensors: of another architecture"):
        watch.finish(model)
    assert before.is_of(model)


def test_every_few_epochs_and_after_the_last() -> None:
    watch = monitor(every=3)
    told = [watch.after_epoch(nets.tiny()) is not None for _ in range(7)]
    assert told == [False, False, True, False, False, True, False]
    logged = []
    watch.log = lambda values, epoch: logged.append(epoch)
    watch.finish(nets.tiny())
    assert logged == [7]
    watch.finish(nets.tiny())
    assert logged == [7], "measured already"


def test_the_best_weights_are_kept_and_judged(tmp_path: Path) -> None:
    file = tmp_path / "models" / "best.safetensors"
    kept = {"checkpoint": file, "baselines": tmp_path / "kept"}
    watch = monitor(**kept, record=True)
    good, bad = nets.tiny(), nets.tiny()
    with torch.no_grad():
        bad.last.weight.mul_(-1)
    watch.after_epoch(good)
    written = file.read_bytes()
    watch.after_epoch(bad)
    watch.after_epoch(good)  # as good as the first
    assert file.read_bytes() == written
    assert note_of(file) == {"epoch": 1, **watch.best.score._asdict()}
    watch.finish(bad)
    assert Baselines(tmp_path / "kept").read("model/pgd").findings, "checked for masked gradients"
    again = monitor(**kept)
    again.after_epoch(good)
    again.after_epoch(bad)
    assert {case: one.status for case, one in again.finish(bad).items()} == {"model/pgd": "same"}
    without = monitor(baselines=tmp_path / "kept")
    without.after_epoch(good)
    with pytest.raises(RobustnessError, match="none of the images is classified correctly"):
        without.finish(bad)


def test_a_model_that_became_easier_to_attack_fails_the_training(tmp_path: Path) -> None:
    recorded = monitor(baselines=tmp_path, record=True)
    recorded.after_epoch(nets.tiny())
    recorded.finish(nets.tiny())
    stronger = {"pgd": attack("PGD", eps=0.03, alpha=0.01, steps=4)}
    watch = monitor(baselines=tmp_path, attacks=stronger)
    watch.after_epoch(noisy())
    with pytest.raises(GateFailed, match=r"robust accuracy .*images lost") as failed:
        watch.finish(noisy())
    assert failed.value.verdicts["model/pgd"].status == "regressed"
    watch.fail = False
    assert watch.finish(noisy()).keys() == {"model/pgd"}


def noisy() -> nn.Module:
    """A copy of the tiny net that is easier to fool."""
    model = nets.tiny()
    with torch.no_grad():
        model.first.weight.mul_(4)
        model.norm.running_var.mul_(16)
        drawn = torch.randn(model.second.weight.shape, generator=torch.Generator().manual_seed(1))
        model.second.weight.add_(0.25 * drawn)
    return model


def test_both_attacks_share_one_alpha(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_robustness import training

    alphas, ours = [], training.judge
    monkeypatch.setattr(training, "judge", lambda *given, alpha: alphas.append(alpha) or ours(*given, alpha=alpha))
    watch = RobustnessMonitor(**TINY, baselines=tmp_path, fail=False)
    watch.after_epoch(nets.tiny())
    verdicts = watch.finish(nets.tiny())
    assert alphas == [0.025, 0.025]
    assert {one.status for one in verdicts.values()} == {"no baseline"}
    assert "record=True" in next(iter(verdicts.values())).reason


def test_an_untrained_model_is_measured_and_is_the_worst() -> None:
    watch = monitor(labels=(TINY["labels"] + 1) % nets.CLASSES)
    wrong = nets.tiny()
    watch.labels = (torch.from_numpy(labels_of(PICTURES, wrong=())) + 1) % nets.CLASSES
    values = watch.after_epoch(wrong)
    assert values is not None
    assert values["robustness/robust_accuracy"] == values["robustness/accuracy"] == 0
    assert watch.best.score == (0, 0)


def test_later_failures_are_warnings_and_the_first_is_not() -> None:
    broken = nets.tiny()
    with torch.no_grad():
        broken.last.bias.fill_(torch.nan)
    with pytest.raises(RobustnessError, match="not finite"):
        monitor().after_epoch(broken)
    watch = monitor()
    watch.after_epoch(nets.tiny())
    with pytest.warns(UserWarning, match="epoch 2 was not measured: .*not finite"):
        assert watch.after_epoch(broken) is None
    assert watch.after_epoch(nets.tiny()) is not None


def test_a_strangers_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"weight": torch.ones(2)}, file)
    written = file.read_bytes()
    with pytest.raises(RobustnessError, match="is there already, and no checkpoint of ours"):
        monitor(checkpoint=file)
    file.unlink()
    watch = monitor(checkpoint=file)
    file.write_bytes(written)  # it came while the model trained
    with pytest.raises(RobustnessError, match="is there already"):
        watch.after_epoch(nets.tiny())
    assert file.read_bytes() == written
    for other in ("", "not a model", "{}"):
        file.write_text(other)
        with pytest.raises(RobustnessError, match="is there already"):
            monitor(checkpoint=file)
    assert list(tmp_path.iterdir()) == [file]


def test_tied_weights_and_wrappers_are_kept_under_the_models_own_names(tmp_path: Path) -> None:
    model = nets.tiny()
    model.also = model.last
    file = tmp_path / "best.safetensors"
    compiled = torch.compile(nn.DataParallel(model))
    assert unwrapped(compiled) is model
    save_checkpoint(unwrapped(compiled), file, {"epoch": 1})
    model.load_state_dict(load_file(file))


def test_a_compiled_model_is_measured_as_its_code() -> None:
    plain, compiled = monitor().after_epoch(nets.tiny()), monitor().after_epoch(torch.compile(nets.tiny()))
    assert plain is not None
    assert compiled is not None
    assert {**plain, "robustness/seconds": 0} == {**compiled, "robustness/seconds": 0}


def test_a_resumed_training_goes_on(tmp_path: Path) -> None:
    watch = monitor(every=2, checkpoint=tmp_path / "best.safetensors")
    watch.after_epoch(nets.tiny())
    watch.after_epoch(nets.tiny())
    state = json.loads(json.dumps(watch.state_dict()))
    resumed = monitor(every=2, checkpoint=tmp_path / "best.safetensors")
    resumed.load_state_dict(state)
    assert resumed.best == watch.best
    assert resumed.after_epoch(nets.tiny()) is None
    resumed.after_epoch(noisy())
    assert resumed.best == watch.best


def test_an_epoch_of_fifty_thousand_images_costs_under_a_tenth_more() -> None:
    """By the rows that are computed, whatever the machine; a row of training costs at least as much as one of ours."""
    rows = {"forwards": 0, "backwards": 0}

    def backward(count: int) -> None:
        rows["backwards"] += count

    def count(_: nn.Module, given: tuple[torch.Tensor, ...], logits: torch.Tensor) -> None:
        rows["forwards"] += len(logits)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: backward(len(gradient)))

    many = pictures(400)
    model = nets.tiny()
    watch = RobustnessMonitor(as_tensor(many), labels_of(many), mean=[GREY], std=[SPREAD], log=None)
    with model.register_forward_hook(count):
        watch.after_epoch(model)
    assert len(watch.images) == 100
    epoch = 2 * 50_000
    assert 100 * (2 + 11) < rows["forwards"] + rows["backwards"] < 0.05 * epoch


def test_what_measuring_costs_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 10.0, 15.0, 25.0, 30.0])
    monkeypatch.setattr("pytest_robustness.training.time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    watch = monitor()
    with pytest.warns(UserWarning, match=r"measuring took 5\.0 s, the training before it 10\.0 s: every=6 would"):
        watch.after_epoch(nets.tiny())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = watch.after_epoch(nets.tiny())
    assert values is not None
    assert values["robustness/seconds"] == 5


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"every": 0}, "every: 0"),
        ({"limit": 0}, "limit: 0"),
        ({"attacks": {}}, "attacks: there are none"),
        ({"record": True}, "give baselines"),
        ({"name": "a/b"}, "b/pgd"),
        ({"attacks": {"a b": attack("FGSM", eps=0.1)}}, "a b"),
        ({"checkpoint": "best.pt"}, r"should end in \.safetensors"),
        ({"images": as_tensor(PICTURES) * 255}, "should be in"),
        ({"labels": labels_of(PICTURES)[:3]}, "labels"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(how: dict[str, Any], said: str) -> None:
    with pytest.raises(RobustnessError, match=said):
        monitor(**how)


def test_a_sorted_set_is_thinned_evenly() -> None:
    labels = np.repeat(np.arange(8), 7)
    watch = monitor(labels=labels, limit=16)
    assert watch.labels.bincount().tolist() == [2] * 8
    assert len(monitor(limit=None).labels) == len(labels)
    assert len(monitor(limit=1000).labels) == len(labels)


def test_only_rank_zero_measures_and_all_know(tmp_path: Path) -> None:
    """Two processes of DistributedDataParallel, in the second of which a forward of the wrapper would wait for ever."""
    script = Path(__file__).with_name("two_ranks.py")
    ended = [
        subprocess.Popen(
            [sys.executable, script, str(rank), tmp_path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for rank in range(2)
    ]
    for rank, process in enumerate(ended):
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, f"rank {rank}: {said}"
    said = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert said[0]["values"] == said[1]["values"]
    assert said[0]["forwards"] > 0 == said[1]["forwards"]
    assert said[0]["failed"] == said[1]["failed"] == ["model/pgd"]
    assert said[0]["broken"].startswith("RobustnessError: ")
    assert said[0]["broken"] == said[1]["broken"]
    assert [one["interrupted"].partition(":")[0] for one in said] == ["KeyboardInterrupt", "RobustnessError"]
    assert (tmp_path / "best.safetensors").exists()

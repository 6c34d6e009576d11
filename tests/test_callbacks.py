"""The gate as a callback of Lightning."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_robustness import Baselines, RobustnessError
from pytest_robustness.errors import GateFailed
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from tests.evaluate import nets
from tests.test_training import PGD, TINY, noisy

LIGHTNING = pytest.mark.needs("lightning")
IMAGES, LABELS = TINY["images"], torch.as_tensor(TINY["labels"])
#: Lightning's own ones, about the number of workers and the like, and those of the libraries it imports.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


def callback(**options: Any) -> Any:
    from pytest_robustness.callbacks import RobustnessCallback

    given = {"images": IMAGES, "labels": LABELS, "mean": TINY["mean"], "std": TINY["std"], "attacks": PGD}
    return RobustnessCallback(**given | {"module": "net"} | options)


def fitted(
    folder: Path,
    *callbacks: Any,
    package: str = "lightning.pytorch",
    build: Callable[[], nn.Module] = nets.tiny,
    epochs: int = 2,
    rate: float = 0.01,
    path: Path | None = None,
    **how: Any,
) -> Any:
    """A trainer after it has fitted, and the LightningModule."""
    pl = import_module(package)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = build()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.net(images)

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            images, labels = batch
            return functional.cross_entropy(self((images - TINY["mean"][0]) / TINY["std"][0]), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=rate)

    pl.seed_everything(1, verbose=False)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(IMAGES, LABELS), batch_size=28, shuffle=True)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    options = {
        "max_epochs": epochs,
        "default_root_dir": folder,
        "enable_checkpointing": False,
        "callbacks": list(callbacks),
    }
    module = Module()
    trainer = pl.Trainer(**quiet | options | how)
    trainer.fit(module, loader, ckpt_path=path)
    return trainer, module


@LIGHTNING
@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_a_training_is_watched_and_is_the_same_as_without(package: str, tmp_path: Path) -> None:
    file = tmp_path / "best.safetensors"
    watch = callback(checkpoint=file, baselines=tmp_path / "kept", record=True)
    trainer, module = fitted(tmp_path, watch, package=package)
    _, alone = fitted(tmp_path, package=package)
    for name, value in alone.state_dict().items():
        assert torch.equal(value, module.state_dict()[name]), name
    logged = trainer.callback_metrics
    assert {"robustness/accuracy", "robustness/robust_accuracy", "robustness/pgd/success_rate"} <= logged.keys()
    assert watch.monitor.epoch == 2
    assert Baselines(tmp_path / "kept").names() == ["model/pgd"]
    nets.tiny().load_state_dict(load_file(file))


@LIGHTNING
def test_other_callbacks_can_monitor_it(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    stop = EarlyStopping("robustness/robust_accuracy", mode="max", patience=1)
    keep = ModelCheckpoint(tmp_path / "theirs", "{epoch}", monitor="robustness/robust_accuracy", mode="max")
    fitted(tmp_path, stop, keep, callback(), enable_checkpointing=True)
    assert keep.best_model_score is not None
    assert stop.best_score == keep.best_model_score


@LIGHTNING
def test_the_verdict_is_raised_after_all_others_have_ended(tmp_path: Path) -> None:
    from lightning.pytorch import Callback

    ended = []

    class Other(Callback):
        def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
            ended.append("train")

    fitted(tmp_path, callback(baselines=tmp_path / "kept", record=True), rate=0.0)
    same = callback(baselines=tmp_path / "kept")
    fitted(tmp_path, same, rate=0.0)
    assert [one.status for one in same.verdicts.values()] == ["same"]
    worse = callback(baselines=tmp_path / "kept")
    with pytest.raises(GateFailed, match=r"model/pgd: .*images lost"):
        fitted(tmp_path, worse, Other(), rate=0.0, build=noisy)
    assert ended == ["train"]
    assert not worse.verdicts["model/pgd"].passed
    told = callback(baselines=tmp_path / "kept", fail=False)
    fitted(tmp_path, told, rate=0.0, build=noisy)
    assert not told.verdicts["model/pgd"].passed


@LIGHTNING
def test_a_resumed_training_knows_its_best(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import ModelCheckpoint

    first = callback()
    fitted(tmp_path, first, ModelCheckpoint(tmp_path, "last", save_last=True), enable_checkpointing=True)
    again = callback()
    fitted(tmp_path, again, epochs=3, path=tmp_path / "last.ckpt")
    assert again.monitor.epoch == 3
    assert again.monitor.best.score >= first.monitor.best.score


@LIGHTNING
def test_the_module_itself_may_be_the_classifier(tmp_path: Path) -> None:
    watch = callback(module="")
    fitted(tmp_path, watch, epochs=1)
    assert watch.monitor.best.score.robust_accuracy > 0


@LIGHTNING
def test_a_module_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(RobustnessError, match=r"module: .*no attribute `ney`"):
        fitted(tmp_path, callback(module="ney"))
    with pytest.raises(RobustnessError, match="every: 0"):
        callback(every=0)


@LIGHTNING
@pytest.mark.nightly
def test_two_processes_train_and_one_measures(tmp_path: Path) -> None:
    """In a process of its own, which starts the other."""
    code = (
        "import sys; from pathlib import Path; from tests.test_callbacks import callback, fitted\n"
        "watch = callback(baselines=Path(sys.argv[1]) / 'kept', record=True)\n"
        "trainer, _ = fitted(Path(sys.argv[1]), watch, epochs=1, devices=2, strategy='ddp')\n"
        "said = float(trainer.callback_metrics['robustness/robust_accuracy'])\n"
        "Path(sys.argv[1], f'rank{trainer.global_rank}').write_text(str(said))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n{code}")
    ran = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "rank0").read_text() == (tmp_path / "rank1").read_text()
    assert Baselines(tmp_path / "kept").names() == ["model/pgd"]


@pytest.mark.skipif(find_spec("lightning") is not None, reason="it is about environments without Lightning")
def test_without_lightning_the_extra_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pytest-robustness\[lightning\]'"):
        import_module("pytest_robustness.callbacks")

"""The gate as a callback of Lightning, by either of its packages: ``lightning`` or ``pytorch_lightning``."""

from __future__ import annotations

from typing import Any

from pytest_robustness.errors import GateFailed, RobustnessError
from pytest_robustness.records.verdict import Verdict
from pytest_robustness.training import RobustnessMonitor

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.utilities import rank_zero_info
except ModuleNotFoundError:
    try:
        from pytorch_lightning import Callback, LightningModule, Trainer
        from pytorch_lightning.utilities import rank_zero_info
    except ModuleNotFoundError:
        told = "RobustnessCallback needs Lightning: pip install 'pytest-robustness[lightning]'"
        raise ModuleNotFoundError(told, name="lightning") from None


class RobustnessCallback(Callback):
    """Measures a small fixed set of images every few epochs, keeps the best weights, and judges them at the end.

    Values are logged as ``robustness/robust_accuracy``, ``robustness/distance`` and others in every process, so that
    other callbacks can monitor them. After the training the gate's verdicts are in ``verdicts``.

    Args:
        images: (N, C, H, W), float in [0, 1] or uint8, before any normalisation.
        labels: (N,) integers, from 0.
        module: the attribute of the LightningModule that is the classifier, ``"net"`` say; "" stands for the
            LightningModule itself, whose ``forward`` then returns logits.
        options: those of ``RobustnessMonitor``.

    Raises:
        GateFailed: from ``Trainer.fit``, after the training has ended in order, when a verdict fails and ``fail`` is
            not false.
        RobustnessError: in one line, where arguments are not valid, or the model cannot be measured.
    """

    def __init__(self, images: Any, labels: Any, *, module: str = "", **options: Any) -> None:
        super().__init__()
        self.monitor = RobustnessMonitor(images, labels, **{"log": None} | options)
        self.module = module
        self.verdicts: dict[str, Verdict] = {}
        self._failed: GateFailed | None = None

    def _classifier(self, pl_module: LightningModule) -> Any:
        try:
            return pl_module.get_submodule(self.module)
        except AttributeError as error:
            raise RobustnessError(f"RobustnessCallback: module: {error}") from None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        values = self.monitor.after_epoch(self._classifier(pl_module))
        if values is not None:  # equal in all processes, so that their mean is each of them
            self.log_dict(values, sync_dist=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge while the model is still on its device."""
        try:
            self.verdicts = self.monitor.finish(self._classifier(pl_module))
        except GateFailed as failed:
            self.verdicts, self._failed = failed.verdicts, failed
        for verdict in self.verdicts.values():
            rank_zero_info(verdict.reason)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise where other callbacks and loggers have ended in order."""
        if self._failed is not None:
            raise self._failed

    def state_dict(self) -> dict[str, Any]:
        return self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state_dict)

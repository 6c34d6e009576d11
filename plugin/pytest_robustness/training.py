"""The gate inside a training loop: watches how robust the model is, keeps the best weights, and judges at the end."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pytest_robustness.api import Baselines, attack, judge, measure
from pytest_robustness.errors import GateFailed, NothingAttacked, RobustnessError
from pytest_robustness.evaluate.images.image_set import image_set_of
from pytest_robustness.evaluate.models.checkpoint import (
    check_place,
    device_of,
    lent_weights,
    save_checkpoint,
    unwrapped,
)
from pytest_robustness.evaluate.runtime.ranks import on_rank_zero
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.records.verdict import Verdict
from pytest_robustness.suite.attack import Attack
from pytest_robustness.suite.objects import Objects, case_of_objects

#: The chance of a false alarm at the end, of all attacks together.
ALPHA = 0.05
#: The share of the training's time that measuring may take before somebody is told.
COSTLY = 0.10
#: Seconds that nobody minds.
SHORT = 1.0
#: What all logged names begin with.
PREFIX = "robustness"


class Score(NamedTuple):
    """How robust a model is. The larger is the better: robust accuracy first, and among equals the distance.

    Attributes:
        robust_accuracy: the share of all images that are correct when clean and that none of the attacks fools within
            its epsilon; 0 when no attack has one.
        distance: the median distance of the first attack that looks for the smallest perturbation; 0 when none does.
    """

    robust_accuracy: float
    distance: float


@dataclass
class Best:
    """The best epoch so far: its number, from 1, and its score."""

    epoch: int
    score: Score


def default_attacks(eps: float) -> dict[str, Attack]:
    """Return the attacks of a monitor that was given none: FGSM, and ten steps of FMN, both in L-infinity.

    FGSM alone would be fooled by models that learned to mask its one step (Wong, Rice and Kolter, "Fast is better than
    free", ICLR 2020, call it catastrophic overfitting). FMN also says how far the boundary is where both fool all
    images, or none.
    """
    return {"fgsm": attack("FGSM", eps=eps), "fmn": attack("FMN", norm="inf", steps=10, eps=eps)}


def printed(values: Mapping[str, float], epoch: int) -> None:
    """Print the values of an epoch in one line."""
    shown = {name.removeprefix(f"{PREFIX}/").replace("_", " "): value for name, value in values.items()}
    print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4g}" for name, value in shown.items()), flush=True)


class RobustnessMonitor:
    """Measures a small fixed set of images every few epochs of a training.

    Call ``after_epoch(model)`` at the end of each epoch, and ``finish(model)`` once at the end; in a distributed
    training in every process, as rank zero measures and the others wait. The model comes back as it was: modes, flags,
    parameters, buffers and gradients, and so do the global random generators. Wrappers of DistributedDataParallel and
    torch.compile are taken off while it is measured.

    Args:
        images: (N, C, H, W), float in [0, 1] or uint8, before any normalisation.
        labels: (N,) integers, from 0.
        name: the model's, under which baselines are kept: ``BASELINES/NAME/ATTACK.json``.
        attacks: what ``attack`` returns, by name. None: FGSM and ten steps of FMN within ``eps``.
        eps: of the default attacks, in L-infinity, in units of [0, 1].
        every: measure after every so many epochs, and after the last.
        limit: measure this many of the images, at even distances. None: all of them.
        checkpoint: a .safetensors file, in which the weights of the best epoch so far are kept. None: they are not.
        baselines: a folder of baselines to judge by at the end. None: nothing is judged.
        record: store what is measured at the end as the baselines, instead of judging it.
        fail: raise at the end when a verdict fails; else the verdicts are only returned.
        log: called with the values and the epoch's number, on rank zero; None: nothing is.
        how: further arguments of ``measure``: ``mean``, ``std``, ``batch_size``, ``seed`` and the model's contract.

    Raises:
        RobustnessError: in one line, for arguments that are not valid, and a checkpoint's path where something else is.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        *,
        name: str = "model",
        attacks: Mapping[str, Attack] | None = None,
        eps: float = 2 / 255,
        every: int = 1,
        limit: int | None = 100,
        checkpoint: str | Path | None = None,
        baselines: str | Path | None = None,
        record: bool = False,
        fail: bool = True,
        log: Callable[[Mapping[str, float], int], None] | None = printed,
        **how: Any,
    ) -> None:
        self.attacks = dict(default_attacks(eps) if attacks is None else attacks)
        self.name, self.every, self.how, self.log = name, every, how, log
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.baselines = None if baselines is None else Baselines(baselines)
        self.record, self.fail = record, fail
        self._check(limit)
        pixels = image_set_of(images, labels)
        places = _spread(len(pixels), limit)
        self.images, self.labels = pixels.pixels[places], pixels.labels[places]
        self.epoch = 0
        self.best: Best | None = None
        self._measured = 0  # the last epoch that was
        self._clock, self._told = time.perf_counter(), False

    def _check(self, limit: int | None) -> None:
        for key, value in {"every": self.every, "limit": 1 if limit is None else limit}.items():
            if not isinstance(value, int) or value < 1:
                raise RobustnessError(f"RobustnessMonitor: {key}: {value!r}, and should be a number of at least 1")
        if not self.attacks:
            raise RobustnessError("RobustnessMonitor: attacks: there are none; None stands for the default ones")
        if self.record and self.baselines is None:
            raise RobustnessError("RobustnessMonitor: record: there is no folder: give baselines")
        for case, one in self._cases():  # names and keys, before anything is trained
            case_of_objects(case, one.model_dump(exclude_none=True) | one.parameters, Objects(None, None), {})
        if self.checkpoint is not None:
            check_place(self.checkpoint)

    def _cases(self) -> list[tuple[str, Attack]]:
        return [(f"{self.name}/{one}", how) for one, how in self.attacks.items()]

    def after_epoch(self, model: Any) -> dict[str, float] | None:
        """Count an epoch, and measure the model if its turn has come.

        Returns:
            ``robustness/accuracy``, ``robustness/robust_accuracy``, ``robustness/distance`` and others, by name, in
            every process of a distributed training. None when it was not measured.

        Raises:
            RobustnessError: in one line, when the model cannot be measured the first time. Later ones are warnings, so
            that nothing that was trained is lost.
        """
        self.epoch += 1
        return None if self.epoch % self.every else self._look(model)

    def finish(self, model: Any) -> dict[str, Verdict]:
        """Judge the model by its baselines: the weights of the checkpoint if there is one, else the model as it is.

        Returns:
            A verdict a case, ``NAME/ATTACK``; none without baselines, or when they were recorded.

        Raises:
            GateFailed: when a verdict fails, unless ``fail`` is false. Its ``verdicts`` has them all.
            RobustnessError: in one line, when the model cannot be measured.
        """
        if self.epoch != self._measured:
            self._look(model)
        if self.baselines is None:
            return {}
        verdicts = on_rank_zero(lambda: self._judged(unwrapped(model)))
        failed = [one.reason for one in verdicts.values() if not one.passed]
        if failed and self.fail:
            raise GateFailed("; ".join(failed), verdicts)
        return verdicts

    def _look(self, model: Any) -> dict[str, float] | None:
        """Measure, keep the best, and return the values, in every process. None when that failed with a warning."""
        try:
            values, self.best = on_rank_zero(lambda: self._epoch(unwrapped(model)))
        except RobustnessError as error:
            if not self._measured:
                raise
            warnings.warn(f"epoch {self.epoch} was not measured: {error}", stacklevel=3)
            return None
        self._measured = self.epoch
        return values

    def _epoch(self, model: Any) -> tuple[dict[str, float], Best]:
        """Return the values of this epoch and the best so far, whose weights are kept. The work of rank zero."""
        started = time.perf_counter()
        values, score = self._values(model)
        best = self.best
        if best is None or score > best.score:
            best = Best(self.epoch, score)
            if self.checkpoint is not None:
                save_checkpoint(model, self.checkpoint, {"epoch": best.epoch, **score._asdict()})
        values[f"{PREFIX}/best_epoch"] = float(best.epoch)
        values[f"{PREFIX}/seconds"] = self._seconds(started)
        if self.log is not None:
            self.log(values, self.epoch)
        return values, best

    def _values(self, model: Any) -> tuple[dict[str, float], Score]:
        """Return what was measured of a model, by the names under which it is logged, and its score."""
        try:
            measured = {name: self._measure(model, name, findings=False) for name in self.attacks}
        except NothingAttacked:
            return {f"{PREFIX}/accuracy": 0.0, f"{PREFIX}/robust_accuracy": 0.0}, Score(0.0, 0.0)
        some = next(iter(measured.values())).aggregates
        values = {f"{PREFIX}/accuracy": some.attempts / some.images}
        robust, distance = _robust_accuracy(self.attacks, measured), _distance(measured)
        if robust is not None:
            values[f"{PREFIX}/robust_accuracy"] = robust
        if distance is not None:
            values[f"{PREFIX}/distance"] = distance
        for name, one in measured.items():
            values[f"{PREFIX}/{name}/success_rate"] = one.aggregates.success_rate or 0.0
        return values, Score(robust or 0.0, distance or 0.0)

    def _measure(self, model: Any, name: str, *, findings: bool) -> Measurement:
        how = {"device": device_of(model)} | self.how
        case = f"{self.name}/{name}"
        return measure(model, self.images, self.labels, self.attacks[name], name=case, findings=findings, **how)

    def _seconds(self, started: float) -> float:
        """Return the seconds since then. Warn once when they are many, beside the training since the last time."""
        trained, self._clock = started - self._clock, time.perf_counter()
        seconds = self._clock - started
        if seconds > max(COSTLY * trained, SHORT) and not self._told:
            self._told = True
            advised = int(self.every * seconds / (COSTLY * max(trained, 1e-9))) + 1
            told = f"measuring took {seconds:.1f} s, the training before it {trained:.1f} s"
            warnings.warn(f"{told}: every={advised} would keep it under {COSTLY:.0%}", stacklevel=2)
        return seconds

    def _judged(self, model: Any) -> dict[str, Verdict]:
        if self.baselines is None:
            return {}
        kept = self.checkpoint if self.best is not None else None
        with nullcontext() if kept is None else lent_weights(model, kept):
            measured = [self._measure(model, name, findings=True) for name in self.attacks]
        if self.record:
            for one in measured:
                self.baselines.write(one)
            return {}
        verdicts = {}
        for one in measured:
            verdict = judge(one, self.baselines.read(one.case), alpha=ALPHA / len(measured))
            if verdict.status in ("no baseline", "not comparable"):
                advice = f"{verdict.reason}; record=True makes this training's model the baseline"
                verdict = verdict.model_copy(update={"reason": advice})
            verdicts[one.case] = verdict
        return verdicts

    def state_dict(self) -> dict[str, Any]:
        """Return what a training that is resumed has to know: the epochs so far, and the best of them."""
        best = None if self.best is None else asdict(self.best) | {"score": tuple(self.best.score)}
        return {"epoch": self.epoch, "measured": self._measured, "best": best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where ``state_dict`` was taken."""
        self.epoch, self._measured = state["epoch"], state["measured"]
        best = state["best"]
        self.best = None if best is None else Best(best["epoch"], Score(*best["score"]))


def _spread(count: int, limit: int | None) -> list[int]:
    """Return at most ``limit`` places of ``count``, at even distances: sets are often sorted by class."""
    kept = count if limit is None else min(count, limit)
    return [place * count // kept for place in range(kept)]


def _robust_accuracy(attacks: Mapping[str, Attack], measured: Mapping[str, Measurement]) -> float | None:
    """Return the share of images that are correct and that no attack fools within its epsilon.

    Attacks that look for the smallest perturbation, whatever it takes, have no part in it. None when there are no
    others.
    """
    evidence = [
        one.evidence
        for name, one in measured.items()
        if one.evidence.distance is None or attacks[name].parameters.get("eps") is not None
    ]
    if not evidence:
        return None
    fooled = [any(bits) for bits in zip(*(one.success for one in evidence), strict=True)]
    return sum(c and not f for c, f in zip(evidence[0].correct, fooled, strict=True)) / len(fooled)


def _distance(measured: Mapping[str, Measurement]) -> float | None:
    distances: Sequence[float | None] = [one.aggregates.distance for one in measured.values()]
    return next((one for one in distances if one is not None), None)

"""A pool of processes that find which photographs a suite's models classify correctly."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from tqdm import tqdm

from pytest_robustness.errors import RobustnessError
from pytest_robustness.evaluate.images.folders import Photograph
from pytest_robustness.evaluate.images.preprocessing import Pixels, decode, prepare, quietly
from pytest_robustness.evaluate.models.classifier import USUAL_FLOOR, Classifier, padded
from pytest_robustness.evaluate.models.load import classifier_of, load_model
from pytest_robustness.evaluate.models.sources import preprocessing_of
from pytest_robustness.evaluate.runtime import devices
from pytest_robustness.evaluate.runtime.seeding import seeded
from pytest_robustness.records.protocol import Preprocessing
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case, Suite

#: How many images a process is given at a time: enough that loading a model takes little of the time.
CHUNK = 64
T = TypeVar("T")
Chunk = Sequence[Photograph]
Submit = Callable[[Chunk], Future[list[bool | None]]]


class ClassifierPool:
    """Runs models in processes, each on its own GPU if there are enough, or with its share of the cores."""

    def __init__(self, suite: Suite, workers: int) -> None:
        assert suite.images.folder is not None
        self.suite = suite
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._pool = ProcessPoolExecutor(
            workers, context, _start, (suite.path, suite.images.folder, workers, context.Value("i", 0))
        )
        self._bar = tqdm(unit="image", desc="images x models", disable=None, smoothing=0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._pool.shutdown(cancel_futures=True)

    def correct(self, model: str, photographs: Sequence[Photograph]) -> list[bool | None]:
        """Return for each photograph whether the model is right, or None when the file cannot be read."""
        self._bar.set_postfix_str(model)
        return self._gathered(photographs, lambda chunk: self._pool.submit(_correct, model, chunk))

    def readable(self, photographs: Sequence[Photograph]) -> list[bool]:
        self._bar.set_postfix_str("drawing")
        return [bool(good) for good in self._gathered(photographs, lambda chunk: self._pool.submit(_readable, chunk))]

    def _gathered(self, photographs: Sequence[Photograph], submit: Submit) -> list[bool | None]:
        self._bar.total = self._bar.n + len(photographs)
        futures = [submit(chunk) for chunk in _parts(photographs, CHUNK)]
        try:
            for future in as_completed(futures):
                self._bar.update(len(future.result()))
        except BrokenProcessPool:
            raise RobustnessError("a process died: out of memory? Try fewer with --workers") from None
        return [answer for future in futures for answer in future.result()]


class ClassifierHere:
    """Runs one model after the other in this process, for a suite that has no file yet."""

    def __init__(self, suite: Suite) -> None:
        self._worker = _Worker(suite, devices.pick_device())
        self._bar = tqdm(unit="image", desc="images x models", disable=None, smoothing=0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def correct(self, model: str, photographs: Sequence[Photograph]) -> list[bool | None]:
        """Return for each photograph whether the model is right, or None when the file cannot be read."""
        return self._gathered(photographs, model, lambda chunk: self._worker.correct(model, chunk))

    def readable(self, photographs: Sequence[Photograph]) -> list[bool]:
        return [bool(good) for good in self._gathered(photographs, "drawing", self._worker.readable)]

    def _gathered(
        self, photographs: Sequence[Photograph], what: str, answers: Callable[[Chunk], list[bool | None]]
    ) -> list[bool | None]:
        self._bar.set_postfix_str(what)
        self._bar.total = self._bar.n + len(photographs)
        found: list[bool | None] = []
        for chunk in _parts(photographs, CHUNK):
            found += answers(chunk)
            self._bar.update(len(chunk))
        return found


class _Worker:
    """Holds what a process of the pool keeps: the suite, the device and the last model."""

    def __init__(self, suite: Suite, device: torch.device) -> None:
        assert suite.images.folder is not None
        self.suite, self.device, self.folder = suite, device, suite.images.folder
        self.classifier = lru_cache(maxsize=1)(self._classifier)

    def case(self, model: str) -> Case:
        return Case(self.suite, model, next(iter(self.suite.attacks)))

    def _classifier(self, model: str) -> Classifier:
        case = self.case(model)
        with seeded(self.suite.seed, "model"):
            module = load_model(case)
        # its block never ends, because the process is the model's only user
        return classifier_of(case, module, self.device).__enter__()

    @quietly()
    @torch.no_grad()
    def correct(self, model: str, photographs: Sequence[Photograph]) -> list[bool | None]:
        preprocessing = preprocessing_of(self.case(model))
        answers: list[bool | None] = [None] * len(photographs)
        for places in _parts(range(len(photographs)), self.suite.batch_size):
            images = {place: self._prepared(photographs[place], preprocessing) for place in places}
            readable = {place: image for place, image in images.items() if image is not None}
            if not readable:
                continue
            pixels = torch.stack([torch.from_numpy(image) for image in readable.values()])
            floor = self.suite.row_floor or USUAL_FLOOR
            logits = padded(self.classifier(model), pixels.to(self.device).float() / 255, floor)
            for place, predicted in zip(readable, logits.argmax(1).tolist(), strict=True):
                answers[place] = predicted == photographs[place].label
        return answers

    def _prepared(self, photograph: Photograph, preprocessing: Preprocessing) -> Pixels | None:
        try:
            return prepare(decode(photograph.read(self.folder), preprocessing.mode), preprocessing)
        except RobustnessError:  # the selection counts and names the file
            return None

    @quietly()
    def readable(self, photographs: Sequence[Photograph]) -> list[bool | None]:
        found: list[bool | None] = []
        for photograph in photographs:
            try:
                decode(photograph.read(self.folder))
            except RobustnessError:
                found.append(False)
            else:
                found.append(True)
        return found


def _parts(values: Sequence[T], size: int) -> list[Sequence[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


_worker: list[_Worker] = []  # this process's own, once it has started


def _start(suite: Path, folder: Path, workers: int, started: Any) -> None:
    with started.get_lock():
        index, started.value = started.value, started.value + 1
    count = torch.cuda.device_count()
    device = torch.device("cuda", index % count) if count else torch.device("cpu")
    devices.prepare_device(device, workers)
    _worker[:] = [_Worker(load_suite(suite).with_folder(folder), device)]


def _correct(model: str, photographs: Sequence[Photograph]) -> list[bool | None]:
    return _worker[0].correct(model, photographs)


def _readable(photographs: Sequence[Photograph]) -> list[bool | None]:
    return _worker[0].readable(photographs)

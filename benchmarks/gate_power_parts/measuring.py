"""Measurements of the zoo and of changed models, two at a time, each on one thread unless its task says otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.measurement import Measurement
from pytest_robustness.suite.load import load_suite
from pytest_robustness.suite.suite import Case, Images, Suite

PROCESSES = 2
ROOT = Path(__file__).parents[2]
Environment = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Task:
    """A case of the suite, measured with something changed."""

    change: str
    model: str
    attack: str
    weights: Path | None = None
    seed: int | None = None
    threads: int = 1
    memory_format: str | None = None
    environment: Environment = ()

    def case(self, suite: Suite) -> Case:
        model = suite.models[self.model]
        model = model.model_copy(update={"weights": self.weights or model.weights})
        changed = {
            "models": {self.model: model},
            "groups": {},
            "variants": [],
            "seed": suite.seed if self.seed is None else self.seed,
            "memory_format": self.memory_format or suite.memory_format,
        }
        return Case(suite.model_copy(update=changed), self.model, self.attack)

    def key(self, suite: Suite) -> str:
        """Names this measurement in a cache: a digest of all that it depends on, but for the plugin's code."""
        case = self.case(suite)
        digest = sha256(repr((self.threads, self.environment)).encode())
        digest.update(case.suite.model_copy(update={"models": {}}).model_dump_json().encode())
        for file in (case.model.weights, suite.images.file, suite.images.unselected):
            digest.update(file.read_bytes() if file else b"")
        return f"{self.model}-{self.attack}-{digest.hexdigest()[:16]}.json"


@dataclass(frozen=True)
class Lab:
    """Where measurements are made: a suite, and a folder of earlier ones if they are to be kept."""

    suite: Suite
    baselines: Path
    cache: Path | None = None

    def baseline(self, model: str) -> dict[str, Measurement]:
        """A model's baselines by attack. Raises SystemExit where one is missing."""
        store = BaselineStore(self.baselines, self.suite.name)
        found = {attack: store.read(f"{model}/{attack}") for attack in self.suite.attacks}
        if missing := [attack for attack, one in found.items() if one is None]:
            raise SystemExit(
                f"no baseline of {model}/{missing[0]} in {store.folder}: pytest --update-baselines-missing"
            )
        return {attack: one for attack, one in found.items() if one is not None}

    def measure(self, tasks: Iterable[Task]) -> dict[Task, Measurement]:
        """Each task's measurement. Tasks of one environment share the processes, which start with it."""
        found: dict[Task, Measurement] = {}

        def kind(task: Task) -> tuple[Environment, int]:
            return task.environment, task.threads

        for (environment, threads), group in groupby(sorted(tasks, key=kind), key=kind):
            alone = list(group)
            with changed_environment(environment), self._pool(max(1, PROCESSES // threads)) as pool:
                work = partial(_measure, self.suite.path, self.suite.images, self.cache)
                found |= dict(zip(alone, pool.map(work, alone), strict=True))
        return found

    def _pool(self, processes: int) -> ProcessPoolExecutor:
        """No more threads than cores: they would wait for one another, at full speed."""
        return ProcessPoolExecutor(processes, mp_context=get_context("spawn"))


@contextmanager
def changed_environment(environment: Environment) -> Iterator[None]:
    """Processes started inside have these variables, and one thread."""
    before = dict(os.environ)
    os.environ.update({"OMP_NUM_THREADS": "1", **dict(environment)})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _measure(suite_path: Path, images: Images, cache: Path | None, task: Task) -> Measurement:
    import torch
    from pytest_robustness.evaluate.measure import evaluate

    suite = load_suite(suite_path).model_copy(update={"images": images})
    path = cache / task.key(suite) if cache else None
    if path and path.exists():
        return Measurement.from_json(path.read_text())
    torch.set_num_threads(task.threads)
    measurement = evaluate(task.case(suite), device=torch.device("cpu"))
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(measurement.to_json())
    return measurement


def comparable(now: Measurement, then: Measurement) -> Measurement:
    """Another measurement, judged as if nothing but the evidence and the model differed: no time, no seed."""
    return now.model_copy(update={"protocol": then.protocol, "timing": then.timing})


def by_change(found: Mapping[Task, Measurement]) -> dict[tuple[str, str], dict[str, Measurement]]:
    """Measurements by change and model, then attack."""
    grouped: dict[tuple[str, str], dict[str, Measurement]] = {}
    for task, measurement in found.items():
        grouped.setdefault((task.change, task.model), {})[task.attack] = measurement
    return grouped


def in_order(measurements: Mapping[str, Measurement], attacks: Sequence[str]) -> dict[str, Measurement]:
    return {attack: measurements[attack] for attack in attacks}

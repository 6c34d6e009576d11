"""A trial: a run that records baselines of tiny models, and what became of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MODELS, ATTACKS, IMAGES = 3, 4, 24
CASES = [f"m{model}/a{attack}" for model in range(MODELS) for attack in range(ATTACKS)]

SUITE = "\n".join(
    [
        'batch_size = 24\n[images]\nfile = "images.npz"\n[tolerances]\ntime = 1e6',
        *(f'[models.m{model}]\nsource = "stresszoo:m{model}"' for model in range(MODELS)),
        *(
            f'[attacks.a{attack}]\nattack = "stresszoo:Step"\nnorm = "inf"\neps = 0.0{attack + 1}'
            for attack in range(ATTACKS)
        ),
    ]
)
ZOO = """\
import json, os, pathlib, time
import torch
from torch import nn

GENERATION = float(pathlib.Path(os.environ["STRESS_GENERATION"]).read_text())

def build(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    net[1].bias.data += 1e-6 * GENERATION  # another model each time, which measures the same
    with open("pids.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(0.05)
    return net

m0, m1, m2 = (lambda seed=seed: build(seed) for seed in range(3))

class Step:
    def __init__(self, model, eps):
        self.model, self.eps = model, eps

    def __call__(self, images, labels):
        inputs = images.clone().requires_grad_()
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        return (images + self.eps * torch.autograd.grad(loss, inputs)[0].sign()).clamp(0, 1)
"""
IMAGE_SET = """\
import numpy as np
rng = np.random.default_rng(0)
np.savez("images.npz", images=rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8), labels=rng.integers(0, 4, 24),
         ids=np.arange(24))
"""
INI = """\
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["-p", "no:cacheprovider", "-p", "no:benchmark"]
robustness_suite = "stress.toml"
"""
TEST = "def test_robustness(robustness):\n    robustness.check()\n"


@dataclass
class Trial:
    """One or two runs of pytest that record, and what became of them.

    Attributes:
        folder: of the suite, its models and its baselines.
        generation: of the models: the next ones measure the same, and are others.
        stopped: seconds for which a worker that is stopped stands still.
        hit: whether the run was there to be struck.
    """

    folder: Path
    rng: random.Random
    generation: int
    stopped: float = 60.0
    outputs: list[str] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    hit: bool = False

    @property
    def baselines(self) -> Path:
        return self.folder / "baselines" / "stress"

    def start(
        self, generation: int, *, preexec_fn: Callable[[], None] | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        """Begin a run, with more environment variables."""
        told = self.folder / f"generation-{generation}"
        told.write_text(str(generation))
        (self.folder / "pids.txt").unlink(missing_ok=True)
        unset = ("CI", "PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment |= {"STRESS_GENERATION": str(told), "OMP_NUM_THREADS": "1", **variables}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-n", "3", "--update-baselines"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=preexec_fn,
        )

    def finish(self, process: subprocess.Popen[str]) -> None:
        try:
            output, _ = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            output += "\nHANGS"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers a dead controller left
        self.outputs.append(output)
        self.exits.append(process.returncode)

    def until(self, process: subprocess.Popen[str], happened: Callable[[], bool]) -> bool:
        while process.poll() is None:
            if happened():
                return True
            time.sleep(0.0005)
        return False

    def pids(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError):
            return [int(line) for line in (self.folder / "pids.txt").read_text().splitlines()]
        return []

    def writing(self) -> bool:
        """A temporary file is there, or one baseline is newer than the trial."""
        return any(self.baselines.rglob(".*.tmp"))


#: What lies among the baselines and is somebody else's.
STRANGERS = ("notes.txt", "m0/data.csv", "m9/a0/deep.json")


def place_strangers(trial: Trial) -> None:
    """Write them; each has its name in it."""
    for name in STRANGERS:
        path = trial.baselines / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def touched_strangers(trial: Trial) -> list[str]:
    """Those that are not as they were."""
    found = {name: trial.baselines / name for name in STRANGERS}
    return [name for name, path in found.items() if not path.exists() or path.read_text() != name]


def files(trial: Trial) -> dict[str, bytes]:
    return {
        path.relative_to(trial.baselines).with_suffix("").as_posix(): path.read_bytes()
        for path in trial.baselines.glob("*/*.json")
    }


def prepare(folder: Path) -> None:
    contents = {"stress.toml": SUITE, "stresszoo.py": ZOO, "pyproject.toml": INI, "test_stress.py": TEST}
    for name, text in contents.items():
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "-c", IMAGE_SET], cwd=folder, check=True)
